/**
 * Everything started can be ended: `close()` finishes the work in hand, `destroy(reason)` does not. Both are
 * idempotent, and `close()` after `destroy()` resolves.
 */
export interface Service {
  start(): Promise<void>;
  close(): Promise<void>;
  destroy(reason: string): void;
}
