/** The client of a coordinator's PlacementService, for the CLI and tests: a deadline on the call, errors with their reason. */
import { status, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import type { ClientTlsConfig } from '../config/tls-config.js';
import { InfernodeError } from '../domain/error-codes.js';
import { clientCredentials } from './credentials.js';
import type { Explanation__Output } from './generated/infernode/placement/v1/Explanation.js';
import type { LeaseAnswer__Output } from './generated/infernode/placement/v1/LeaseAnswer.js';
import type { PlaceRequest } from './generated/infernode/placement/v1/PlaceRequest.js';
import type { Placement__Output } from './generated/infernode/placement/v1/Placement.js';
import type { PlacementServiceClient as Stub } from './generated/infernode/placement/v1/PlacementService.js';
import { reasonOf } from './grpc-status.js';
import { placementProto } from './load-proto.js';

export interface PlacementServiceClientOptions {
  /** `HOST:PORT` of the coordinator's control listener. */
  address: string;
  tls?: ClientTlsConfig;
  /** Limit of one call, ms. */
  deadlineMs?: number;
}

const channelOptions = {
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

export class PlacementServiceClient {
  readonly address: string;
  readonly #stub: Stub;
  readonly #deadlineMs: number;

  constructor({ address, tls, deadlineMs = 5_000 }: PlacementServiceClientOptions) {
    const { credentials, options } = clientCredentials(tls);
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#stub = new placementProto.PlacementService(address, credentials, { ...channelOptions, ...options });
  }

  place(request: PlaceRequest): Promise<Placement__Output> {
    return this.#call((options, done) => this.#stub.place(request, options, done));
  }

  explain(request: PlaceRequest): Promise<Explanation__Output> {
    return this.#call((options, done) => this.#stub.explain(request, options, done));
  }

  firstToken(leaseId: string, cachedTokens?: number): Promise<LeaseAnswer__Output> {
    return this.#call((options, done) => this.#stub.firstToken({ leaseId, cachedTokens }, options, done));
  }

  release(leaseId: string, outcome: 'ok' | 'failed' | 'abandoned' = 'ok'): Promise<LeaseAnswer__Output> {
    return this.#call((options, done) => this.#stub.release({ leaseId, outcome }, options, done));
  }

  close(): void {
    this.#stub.close();
  }

  #call<T>(
    invoke: (options: CallOptions, done: (error: ServiceError | null, value?: T) => void) => unknown,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      invoke({ deadline: Date.now() + this.#deadlineMs }, (error, value) => {
        if (error || value === undefined) reject(this.#toError(error));
        else resolve(value);
      });
    });
  }

  #toError(error: ServiceError | null): InfernodeError {
    const refused =
      error?.code === status.UNAUTHENTICATED
        ? 'unauthenticated'
        : error?.code === status.PERMISSION_DENIED
          ? 'permission-denied'
          : 'node-unreachable';
    const details = error?.details || error?.message || 'no answer';
    return new InfernodeError((error && reasonOf(error)) ?? refused, `${this.address}: ${details}`, {
      cause: error,
    });
  }
}
