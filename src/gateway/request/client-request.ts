import { randomUUID } from 'node:crypto';
import type { ApiKey } from '../keys/api-keys.js';
import type { ForwardAttempt } from '../relay/forward-attempt.js';
import { unknownModel } from '../gateway-metrics.js';
import type { RoutableRequest } from '../reroute-request.js';
import type { RequestTrace } from '../observe/request-trace.js';
import type { ClientExchange } from '../wire/client-exchange.js';
import type { RouteName } from './request-route.js';

/** One request of one client, from its headers to its end. */
export class ClientRequest implements RoutableRequest {
  readonly id: string;
  /** What the request is called among coordinators and agents: ours, for a client's own id may repeat. */
  readonly workId: string;
  /** The path as the client wrote it, query included. */
  readonly target: string;
  readonly path: string;
  routeName: RouteName | 'unknown' = 'unknown';
  /** The model's own name once it is known to be served. */
  model = unknownModel;
  key: ApiKey | null = null;
  /** Names of the degradation steps in force when it came; empty when none was. */
  degraded = '';
  /** The last one. */
  attempt: ForwardAttempt | null = null;
  /** Spans of this request; `null` where nobody traces. */
  trace: RequestTrace | null = null;
  clientGone = false;
  onClientGone: (() => void) | null = null;
  admission!: RoutableRequest['admission'];

  constructor(
    readonly exchange: ClientExchange,
    readonly startedMs: number,
  ) {
    const given = clientsId(exchange.head.headers['x-request-id']);
    this.workId = randomUUID();
    this.id = given ?? this.workId;
    this.target = exchange.head.target;
    const query = this.target.indexOf('?');
    this.path = query < 0 ? this.target : this.target.slice(0, query);
    exchange.onGone = () => {
      this.clientGone = true;
      this.onClientGone?.();
    };
  }
}

/** One line of visible characters, or none. */
function clientsId(given: string | string[] | undefined): string | null {
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : null;
}
