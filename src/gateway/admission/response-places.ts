/**
 * Which engine has which answer of `/v1/responses`. An engine keeps them in its own memory, so a request that refers to one
 * (`previous_response_id`, or `/v1/responses/ID`) is answered there or not at all. An engine that ended took its own along.
 */
import type { GatewayMetrics } from '../gateway-metrics.js';
import type { GatewayRouting } from '../gateway-routing.js';

export interface ResponsePlace {
  model: string;
  endpointId: string;
  /** Of the engine's process. */
  incarnation: string;
}

/** Told of every response that this process has seen, for other processes. */
export type PublishResponse = (id: string, place: ResponsePlace) => void;

export interface ResponsePlacesOptions {
  routing: Pick<GatewayRouting, 'endpoint'>;
  metrics: Pick<GatewayMetrics, 'followUps' | 'forgottenResponses'>;
  publishResponse?: PublishResponse | undefined;
  /** Some 20 MB by default, and 18 hours at one response per second; those used longest ago are forgotten first. */
  maxResponses?: number;
}

const defaultMaxResponses = 65_536;

export class ResponsePlaces {
  readonly #options: ResponsePlacesOptions;
  /** By id of the response, in order of use. */
  readonly #places = new Map<string, ResponsePlace>();

  constructor(options: ResponsePlacesOptions) {
    this.#options = options;
  }

  /** An engine answered here. */
  seen(id: string, place: ResponsePlace): void {
    this.observe(id, place);
    this.#options.publishResponse?.(id, place);
  }

  /** An engine answered, here or in another process. */
  observe(id: string, place: ResponsePlace): void {
    const { metrics, maxResponses = defaultMaxResponses } = this.#options;
    this.#places.delete(id);
    this.#places.set(id, place);
    if (this.#places.size <= maxResponses) return;
    const [oldest] = this.#places.keys();
    this.#places.delete(oldest!);
    metrics.forgottenResponses.inc();
  }

  /** For a request that refers to the response; `null` when it is unknown, or its engine's process has ended. */
  find(id: string): ResponsePlace | null {
    const { routing, metrics } = this.#options;
    const place = this.#places.get(id);
    const lives =
      place !== undefined && routing.endpoint(place.endpointId)?.incarnation === place.incarnation;
    if (lives) {
      this.#places.delete(id);
      this.#places.set(id, place);
    }
    metrics.followUps.inc({ response: lives ? 'known' : place === undefined ? 'unknown' : 'gone' });
    return lives ? place : null;
  }
}
