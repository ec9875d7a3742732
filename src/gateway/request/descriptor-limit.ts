/** A stream costs two descriptors, one to the client and one to the engine; Linux gives a process 1,024 unless asked. */
import { readFileSync } from 'node:fs';
import type { Logger } from '../../runtime/logger.js';

/** Enough for 10,000 streams and the rest of the process. */
export const wantedDescriptors = 20_500;

/** Says at the start what would otherwise show as failed accepts under load. Returns the limit, `null` where unknown. */
export function warnOfFewDescriptors(logger: Logger, limits = readLimits()): number | null {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? NaN);
  if (Number.isNaN(limit)) return null;
  if (limit < wantedDescriptors)
    logger.warn(
      { limit, streams: Math.floor((limit - 500) / 2), wanted: wantedDescriptors },
      'the limit of open files is low; raise it (ulimit -n, LimitNOFILE=) for more streams at once',
    );
  return limit;
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
