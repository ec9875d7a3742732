/** What one attempt at one endpoint came to. The reroute loop decides by these, and only by these. */
import type { ErrorCode } from '../../domain/error-codes.js';
import type { StreamUsage } from './sse-observer.js';

export interface HeldAnswer {
  status: number;
  /** Flat name/value list, ready for the client. */
  headers: string[];
  body: Buffer;
}

export type AttemptEnd =
  /** A whole response went to the client. */
  | {
      kind: 'answered';
      status: number;
      /** `truncated`: the engine ended an event stream without finish reason or `[DONE]`. */
      result: 'ok' | 'client-error' | 'engine-error' | 'truncated';
      usage: StreamUsage | null;
    }
  /** The engine answered, nothing was sent to the client yet, and another endpoint may do better. */
  | { kind: 'refused'; status: number; engineDead: boolean; answer: HeldAnswer }
  /** No answer, nothing sent to the client. */
  | {
      kind: 'lost';
      code: Extract<
        ErrorCode,
        'endpoint-refused' | 'endpoint-lost' | 'endpoint-timeout' | 'endpoint-evicted'
      >;
      message: string;
      /** A used connection went away as the request was sent: most likely the engine's keep-alive limit. */
      race: boolean;
    }
  /** Cut after the first byte; the client has been told as well as the kind of response allows. */
  | { kind: 'interrupted'; by: 'upstream' | 'timeout' | 'eviction' | 'shutdown'; message: string }
  | { kind: 'client-gone' }
  /** The client's own deadline passed before the first byte. */
  | { kind: 'deadline' };

/** Statuses that say "not now, not here" rather than "not this request". */
export const refusingStatuses: ReadonlySet<number> = new Set([429, 503, 504]);

/** How vLLM words a 500, or an error event, when its engine process is gone: the request itself is not to blame. */
export function saysEngineDead(text: string): boolean {
  return /EngineCore|EngineDeadError/.test(text);
}
