/** Errors as OpenAI clients expect them, from the one table in `domain/error-codes.ts`. */
import { errorCodes, type ErrorCode } from '../../domain/error-codes.js';
import type { ClientExchange } from '../wire/client-exchange.js';

export interface ErrorAnswer {
  code: ErrorCode;
  message: string;
  /** Name of the offending member, header or path; `null` when none is to blame. */
  param?: string | null;
  headers?: Record<string, string>;
  /** Differs from the table only where HTTP knows a more exact one (408, 431). */
  status?: number;
}

export function errorBody({ code, message, param = null }: ErrorAnswer): string {
  return JSON.stringify({ error: { message, type: errorCodes[code].type, param, code } });
}

/** The event that ends a stream that cannot be finished; no `[DONE]` follows it. */
export function errorEvent(code: ErrorCode, message: string): string {
  return `data: ${errorBody({ code, message })}\n\n`;
}

/** Seconds after which a client may try again; long enough for a reroute of its peers, short enough not to idle. */
const retryAfterSeconds = '1';

/** Sends the answer and returns its status; does nothing when a response is already on its way. */
export function sendError(exchange: ClientExchange, requestId: string, answer: ErrorAnswer): number {
  const status = answer.status ?? errorCodes[answer.code].http;
  if (exchange.begun || exchange.destroyed) return status;
  const headers = {
    'content-type': 'application/json',
    'x-request-id': requestId,
    ...(status === 503 || status === 429 ? { 'retry-after': retryAfterSeconds } : {}),
    ...(answer.code === 'shutting-down' ? { connection: 'close' } : {}),
    ...answer.headers,
  };
  exchange.begin(status, Object.entries(headers).flat());
  exchange.end(Buffer.from(errorBody(answer)));
  return status;
}
