import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { errorCodes, InfernodeError, messageOf, type ErrorCode } from '../domain/error-codes.js';

/** Trailing metadata key that carries the stable reason code. */
export const reasonKey = 'infernode-reason';

/** Turns anything thrown by a handler into a gRPC error with its reason; the unexpected becomes `internal`. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const code: ErrorCode = error instanceof InfernodeError ? error.code : 'internal';
  const metadata = new Metadata();
  metadata.set(reasonKey, code);
  return { code: status[errorCodes[code].grpc], details: messageOf(error), metadata };
}

/** The reason code of a failed call, or `null` when the peer sent none. */
export function reasonOf(error: unknown): ErrorCode | null {
  const value = (error as Partial<ServiceError>).metadata?.get(reasonKey)[0];
  return typeof value === 'string' && value in errorCodes ? (value as ErrorCode) : null;
}
