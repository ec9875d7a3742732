/** What the clients of our services share: a deadline on each call, and errors with the peer's reason. */
import { status, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import type { ClientTlsConfig } from '../config/tls-config.js';
import { InfernodeError, type ErrorCode } from '../domain/error-codes.js';
import { reasonOf } from './grpc-status.js';

/** How the clients of a coordinator's services are made. */
export interface CoordinatorClientOptions {
  /** `HOST:PORT` of the coordinator's control listener. */
  address: string;
  tls?: ClientTlsConfig;
  /** Limit of one call, ms. */
  deadlineMs?: number;
}

export const coordinatorChannelOptions = {
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/** One call and no more; the deadline counts from here. Rejects as `callError` says. */
export function unaryCall<T>(
  address: string,
  deadlineMs: number,
  invoke: (options: CallOptions, done: (error: ServiceError | null, value?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    // gRPC wants wall time here and turns it into a duration at once, before the clock can jump.
    invoke({ deadline: Date.now() + deadlineMs }, (error, value) => {
      if (error || value === undefined) reject(callError(address, error));
      else resolve(value);
    });
  });
}

/** The peer's own reason where it gave one; else what the transport's status amounts to. */
export function callError(address: string, error: ServiceError | null): InfernodeError {
  // The transport's own words, less what it adds to a refused connection and leaves empty.
  const details = (error?.details || error?.message || 'no answer')
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.? Resolution note: $/, '');
  return new InfernodeError(
    (error && reasonOf(error)) ?? codeOfStatus(error?.code),
    `${address}: ${details}`,
    {
      cause: error,
    },
  );
}

/** For errors that the transport made and the peer never saw. */
function codeOfStatus(code: status | undefined): ErrorCode {
  switch (code) {
    case undefined:
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return 'node-unreachable';
    case status.UNAUTHENTICATED:
      return 'unauthenticated';
    case status.PERMISSION_DENIED:
      return 'permission-denied';
    default:
      return 'internal';
  }
}
