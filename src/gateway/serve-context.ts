import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Admission } from './admission/admission.js';
import type { ApiKeys } from './keys/api-keys.js';
import type { Degradation } from './admission/degradation.js';
import type { EndpointConnections } from './relay/endpoint-connections.js';
import type { FewEngines } from './admission/few-engines.js';
import type { ForwardAttempt } from './relay/forward-attempt.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { GatewayRouting } from './gateway-routing.js';
import type { KeyUsage } from './keys/key-usage.js';
import type { PrefixHasher } from './request/prefix-chain.js';
import type { RequestTracing } from './observe/request-trace.js';
import type { RetryOptions } from './reroute-request.js';
import type { ResponsePlaces } from './admission/response-places.js';
import type { RetryBudget } from './admission/retry-budget.js';

export interface ServeLimits {
  maxBodyBytes: number;
  firstByteTimeoutMs: number;
}

/** What requests share: made once by the gateway, handed to every one of them. */
export interface ServeContext {
  routing: GatewayRouting;
  admission: Admission;
  budget: RetryBudget;
  retry: RetryOptions;
  limits: ServeLimits;
  connections: EndpointConnections;
  hasher: PrefixHasher;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  /** Tell clients where and how their request was placed. */
  exposePlacement: boolean;
  /** `null`: everybody may; `unavailable`: nobody can be told apart now. */
  keys: () => ApiKeys | null | 'unavailable';
  keyUsage: KeyUsage;
  degradation: Degradation;
  fewEngines: FewEngines;
  responses: ResponsePlaces;
  /** `null` where OpenTelemetry is not installed. */
  tracing: () => RequestTracing | null;
  /** No new requests; those in hand go on. */
  stopping: () => boolean;
  /** Nothing goes on. */
  ended: () => boolean;
  /** Attempts under way, so that an eviction or the end of the gateway reaches them. */
  track: (attempt: ForwardAttempt) => void;
}
