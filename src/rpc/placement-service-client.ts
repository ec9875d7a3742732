/** The client of a coordinator's PlacementService, for the CLI and tests: a deadline on the call, errors with their reason. */
import type { ClientTlsConfig } from '../config/tls-config.js';
import { clientCredentials } from './credentials.js';
import type { Explanation__Output } from './generated/infernode/placement/v1/Explanation.js';
import type { LeaseAnswer__Output } from './generated/infernode/placement/v1/LeaseAnswer.js';
import type { PlaceRequest } from './generated/infernode/placement/v1/PlaceRequest.js';
import type { Placement__Output } from './generated/infernode/placement/v1/Placement.js';
import type { PlacementServiceClient as Stub } from './generated/infernode/placement/v1/PlacementService.js';
import { placementProto } from './load-proto.js';
import { unaryCall } from './unary-call.js';

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

  #call<T>(invoke: Parameters<typeof unaryCall<T>>[2]): Promise<T> {
    return unaryCall(this.address, this.#deadlineMs, invoke);
  }
}
