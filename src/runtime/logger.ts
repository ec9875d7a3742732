import { pino, type DestinationStream, type Logger } from 'pino';
import { maskLine } from '../domain/mask-text.js';

export type { Logger };

/** JSON lines on stderr, so that stdout stays free for what a command prints; secrets in them are masked. */
export function createLogger(
  name: string,
  level = process.env['INFERNODE_LOG_LEVEL'] ?? 'info',
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  // The finished line: whatever was logged, and however, passes here.
  return pino({ name, level, hooks: { streamWrite: maskLine } }, destination);
}

/** For tests and for commands that only print a result. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
