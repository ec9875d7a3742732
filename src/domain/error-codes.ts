/**
 * Every operational error has a stable code. This table alone maps a code to its gRPC status, its HTTP status, the
 * OpenAI error type, and whether the gateway may send the request elsewhere. Codes are API: rename none.
 */
import { maskText } from './mask-text.js';
export interface ErrorCodeEntry {
  grpc:
    | 'INVALID_ARGUMENT'
    | 'NOT_FOUND'
    | 'FAILED_PRECONDITION'
    | 'ABORTED'
    | 'UNAVAILABLE'
    | 'UNAUTHENTICATED'
    | 'PERMISSION_DENIED'
    | 'RESOURCE_EXHAUSTED'
    | 'DEADLINE_EXCEEDED'
    | 'INTERNAL'
    | 'ALREADY_EXISTS';
  http: number;
  type: string;
  mayReroute: boolean;
}

export const errorCodes = {
  'config-invalid': { grpc: 'INVALID_ARGUMENT', http: 500, type: 'InternalServerError', mayReroute: false },
  'argument-invalid': { grpc: 'INVALID_ARGUMENT', http: 400, type: 'BadRequestError', mayReroute: false },
  'engine-unknown': { grpc: 'NOT_FOUND', http: 404, type: 'NotFoundError', mayReroute: false },
  'engine-exists': { grpc: 'ALREADY_EXISTS', http: 409, type: 'ConflictError', mayReroute: false },
  'engine-wrong-state': { grpc: 'FAILED_PRECONDITION', http: 409, type: 'ConflictError', mayReroute: false },
  'engine-attached': { grpc: 'FAILED_PRECONDITION', http: 409, type: 'ConflictError', mayReroute: false },
  'template-unknown': { grpc: 'NOT_FOUND', http: 404, type: 'NotFoundError', mayReroute: false },
  'device-unknown': { grpc: 'NOT_FOUND', http: 404, type: 'NotFoundError', mayReroute: false },
  'driver-busy': { grpc: 'FAILED_PRECONDITION', http: 409, type: 'ConflictError', mayReroute: false },
  'device-in-use': { grpc: 'FAILED_PRECONDITION', http: 409, type: 'ConflictError', mayReroute: false },
  'stale-epoch': { grpc: 'ABORTED', http: 409, type: 'ConflictError', mayReroute: false },
  'report-gap': { grpc: 'ABORTED', http: 409, type: 'ConflictError', mayReroute: false },
  'node-duplicate': { grpc: 'ALREADY_EXISTS', http: 409, type: 'ConflictError', mayReroute: false },
  'node-unreachable': {
    grpc: 'UNAVAILABLE',
    http: 503,
    type: 'ServiceUnavailableError',
    mayReroute: false,
  },
  unauthenticated: { grpc: 'UNAUTHENTICATED', http: 401, type: 'AuthenticationError', mayReroute: false },
  'permission-denied': {
    grpc: 'PERMISSION_DENIED',
    http: 403,
    type: 'PermissionDeniedError',
    mayReroute: false,
  },
  'request-invalid': { grpc: 'INVALID_ARGUMENT', http: 400, type: 'BadRequestError', mayReroute: false },
  'path-unknown': { grpc: 'NOT_FOUND', http: 404, type: 'NotFoundError', mayReroute: false },
  'model-unknown': { grpc: 'NOT_FOUND', http: 404, type: 'NotFoundError', mayReroute: false },
  'method-not-allowed': {
    grpc: 'INVALID_ARGUMENT',
    http: 405,
    type: 'MethodNotAllowedError',
    mayReroute: false,
  },
  'body-too-large': {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 413,
    type: 'RequestTooLargeError',
    mayReroute: false,
  },
  'media-type-unsupported': {
    grpc: 'INVALID_ARGUMENT',
    http: 415,
    type: 'UnsupportedMediaTypeError',
    mayReroute: false,
  },
  'queue-full': { grpc: 'RESOURCE_EXHAUSTED', http: 429, type: 'RateLimitError', mayReroute: false },
  'rate-limited': { grpc: 'RESOURCE_EXHAUSTED', http: 429, type: 'RateLimitError', mayReroute: false },
  'keys-unavailable': {
    grpc: 'UNAVAILABLE',
    http: 503,
    type: 'ServiceUnavailableError',
    mayReroute: false,
  },
  'deadline-exceeded': {
    grpc: 'DEADLINE_EXCEEDED',
    http: 504,
    type: 'GatewayTimeoutError',
    mayReroute: false,
  },
  'no-eligible-endpoint': {
    grpc: 'UNAVAILABLE',
    http: 503,
    type: 'ServiceUnavailableError',
    mayReroute: false,
  },
  'endpoint-refused': { grpc: 'UNAVAILABLE', http: 503, type: 'ServiceUnavailableError', mayReroute: true },
  'endpoint-lost': { grpc: 'UNAVAILABLE', http: 502, type: 'BadGatewayError', mayReroute: true },
  'endpoint-evicted': { grpc: 'UNAVAILABLE', http: 503, type: 'ServiceUnavailableError', mayReroute: true },
  'endpoint-timeout': { grpc: 'DEADLINE_EXCEEDED', http: 504, type: 'GatewayTimeoutError', mayReroute: true },
  'stream-interrupted': { grpc: 'UNAVAILABLE', http: 502, type: 'BadGatewayError', mayReroute: false },
  'scaling-undecided': {
    grpc: 'UNAVAILABLE',
    http: 503,
    type: 'ServiceUnavailableError',
    mayReroute: false,
  },
  'record-corrupt': { grpc: 'INTERNAL', http: 500, type: 'InternalServerError', mayReroute: false },
  'shutting-down': { grpc: 'UNAVAILABLE', http: 503, type: 'ServiceUnavailableError', mayReroute: false },
  internal: { grpc: 'INTERNAL', http: 500, type: 'InternalServerError', mayReroute: false },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof errorCodes;

/** An operational error: the outside world did something; the process goes on. */
export class InfernodeError extends Error {
  override readonly name = 'InfernodeError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Message of anything thrown, for logs, reasons and answers; secrets in it are masked. */
export function messageOf(error: unknown): string {
  return maskText(error instanceof Error ? error.message : String(error));
}
