/** Errors of the connection to an engine, as codes of ours. */
import { messageOf } from '../../domain/error-codes.js';

export interface Loss {
  code: 'endpoint-refused' | 'endpoint-lost' | 'endpoint-timeout';
  message: string;
}

/** Nothing reached the engine. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
]);

export function classifyLoss(error: Error): Loss {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && neverConnected.has(code))
    return { code: 'endpoint-refused', message: `no connection to the engine (${code})` };
  if (code === 'RESPONSE_SILENT') return { code: 'endpoint-timeout', message: 'the engine fell silent' };
  const detail = typeof code === 'string' ? code : messageOf(error);
  return { code: 'endpoint-lost', message: `the connection to the engine broke (${detail})` };
}
