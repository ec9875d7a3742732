/** The terms a client sets in headers: how urgent, until when, in which session. */
import type { IncomingHttpHeaders } from 'node:http';
import { isPriority, priorities, type Priority } from '../../domain/priority.js';
import type { ErrorAnswer } from './openai-error.js';

export interface RequestTerms {
  priority: Priority;
  /** By the monotonic clock; infinite when the client sets none. It is for the first byte: a stream that flows goes on. */
  deadlineMs: number;
  sessionKey: string | undefined;
}

export const priorityHeader = 'x-infernode-priority';
/** Milliseconds from the arrival of the request. */
export const timeoutHeader = 'x-infernode-timeout-ms';

/** `ceiling` is the priority of the caller's key: its default, and the most it may ask for. */
export function termsOf(
  headers: IncomingHttpHeaders,
  startedMs: number,
  ceiling: Priority | null,
): RequestTerms | ErrorAnswer {
  const asked = headers[priorityHeader];
  if (asked !== undefined && !isPriority(asked))
    return invalid(priorityHeader, `one of ${priorities.join(', ')}`, asked);
  const timeout = headers[timeoutHeader];
  if (timeout !== undefined && !/^[1-9]\d{0,7}$/.test(String(timeout)))
    return invalid(timeoutHeader, 'milliseconds, 1 to 99999999', timeout);
  const session = headers['x-session-id'] ?? headers['x-infernode-session'];
  return {
    priority: lesser(asked ?? ceiling ?? 'medium', ceiling ?? 'critical'),
    deadlineMs: timeout === undefined ? Infinity : startedMs + Number(timeout),
    sessionKey: typeof session === 'string' && session !== '' ? session.slice(0, 256) : undefined,
  };
}

function lesser(a: Priority, b: Priority): Priority {
  return priorities.indexOf(a) > priorities.indexOf(b) ? a : b;
}

function invalid(header: string, expected: string, got: unknown): ErrorAnswer {
  return {
    code: 'request-invalid',
    message: `expected ${header} to be ${expected}, got "${String(got).slice(0, 40)}"`,
    param: header,
  };
}
