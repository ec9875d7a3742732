import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Admission } from './admission.js';
import type { ApiKeys } from './api-keys.js';
import type { Degradation } from './degradation.js';
import type { EndpointConnections } from './endpoint-connections.js';
import type { FewEngines } from './few-engines.js';
import type { ForwardAttempt } from './forward-attempt.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { GatewayRouting } from './gateway-routing.js';
import type { KeyUsage } from './key-usage.js';
import type { PrefixHasher } from './prefix-chain.js';
import type { RequestTracing } from './request-trace.js';
import type { RetryOptions } from './reroute-request.js';
import type { RetryBudget } from './retry-budget.js';

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
  /** `null` where OpenTelemetry is not installed. */
  tracing: () => RequestTracing | null;
  /** No new requests; those in hand go on. */
  stopping: () => boolean;
  /** Nothing goes on. */
  ended: () => boolean;
  /** Attempts under way, so that an eviction or the end of the gateway reaches them. */
  track: (attempt: ForwardAttempt) => void;
}
