import { pino, type Logger } from 'pino';

export type { Logger };

/** Members whose value never reaches a log, an error page or `config print`. */
export const secretPaths = [
  'apiKey',
  'token',
  'authorization',
  'headers.authorization',
  '*.apiKey',
  '*.token',
  '*.authorization',
];

/** JSON lines on stderr, so that stdout stays free for what a command prints. */
export function createLogger(name: string, level = process.env['INFERNODE_LOG_LEVEL'] ?? 'info'): Logger {
  return pino(
    { name, level, redact: { paths: secretPaths, censor: '[masked]' } },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** For tests and for commands that only print a result. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
