import type { EndpointState } from '../../domain/endpoint.js';
import type {
  ModelPlacement,
  PlacementExplanation,
  PlacementOutcome,
} from '../../placement/placement-types.js';
import type { Clock } from '../../runtime/clock.js';

/** One request's place at one endpoint. However the request ends, `release()` ends the lease, and only once. */
export class Lease {
  #released = false;
  /** Only where clients are to be told. */
  explanation: PlacementExplanation | null = null;

  constructor(
    /** Name of the lease in placement: ours, never the client's request id, which may repeat. */
    readonly id: string,
    readonly endpointId: string,
    readonly endpoint: EndpointState | undefined,
    readonly outcome: PlacementOutcome,
    readonly placement: ModelPlacement,
    readonly clock: Clock,
    readonly onRelease: () => void,
  ) {}

  /** May be called again at the end with the cached tokens, which engines report last. */
  firstToken(cachedTokens?: number): void {
    if (!this.#released) this.placement.firstToken(this.id, this.clock.monotonicMs(), cachedTokens);
  }

  succeeded(): void {
    this.placement.reportSuccess(this.endpointId, this.clock.monotonicMs(), this.id);
  }

  failed(): void {
    this.placement.reportFailure(this.endpointId, this.clock.monotonicMs(), this.id);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.placement.done(this.id, this.clock.monotonicMs());
    this.onRelease();
  }
}
