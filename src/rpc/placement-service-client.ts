/** The client of a coordinator's PlacementService, for the CLI and tests: a deadline on the call, errors with their reason. */
import { clientCredentials } from './credentials.js';
import type { Explanation__Output } from './generated/infernode/placement/v1/Explanation.js';
import type { LeaseAnswer__Output } from './generated/infernode/placement/v1/LeaseAnswer.js';
import type { PlaceRequest } from './generated/infernode/placement/v1/PlaceRequest.js';
import type { Placement__Output } from './generated/infernode/placement/v1/Placement.js';
import type { PlacementServiceClient as Stub } from './generated/infernode/placement/v1/PlacementService.js';
import { placementProto } from './placement-package.js';
import { coordinatorChannelOptions, unaryCall, type CoordinatorClientOptions } from './unary-call.js';

export class PlacementServiceClient {
  readonly address: string;
  readonly #stub: Stub;
  readonly #deadlineMs: number;

  constructor({ address, tls, deadlineMs = 5_000 }: CoordinatorClientOptions) {
    const { credentials, options } = clientCredentials(tls);
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#stub = new placementProto.PlacementService(address, credentials, {
      ...coordinatorChannelOptions,
      ...options,
    });
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
