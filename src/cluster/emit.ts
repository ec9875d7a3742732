import type { Logger } from '../runtime/logger.js';

/** Tells every listener; one that throws must not keep the others, or the stream it was called from, from going on. */
export function emitTo<Args extends unknown[]>(
  listeners: Iterable<(...args: Args) => void>,
  logger: Logger,
  ...args: Args
): void {
  for (const listener of [...listeners]) {
    try {
      listener(...args);
    } catch (error) {
      logger.error({ err: error }, 'a listener of the cluster failed');
    }
  }
}
