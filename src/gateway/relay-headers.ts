/** Which headers travel: end-to-end ones in both directions, never a client's credentials, never hop-by-hop ones. */
import type { IncomingHttpHeaders } from 'node:http';

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

const neverUpstream = new Set([
  ...hopByHop,
  'host',
  'content-length',
  'expect',
  // Credentials are for this gateway; the engine gets its own key.
  'authorization',
  'api-key',
  'x-api-key',
  // Compressed events could not be observed, and the way to an engine is short.
  'accept-encoding',
  'x-request-id',
]);

const neverDownstream = new Set([...hopByHop, 'x-request-id']);

/** Flat name/value list for undici. `rawHeaders` keeps duplicates and the client's spelling. */
export function upstreamHeaders(
  rawHeaders: readonly string[],
  connection: string | undefined,
  requestId: string,
  apiKey: string | undefined,
): string[] {
  const named = namedByConnection(connection);
  const headers: string[] = ['x-request-id', requestId];
  if (apiKey !== undefined) headers.push('authorization', `Bearer ${apiKey}`);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (neverUpstream.has(lower) || named?.has(lower)) continue;
    headers.push(name, rawHeaders[i + 1] as string);
  }
  return headers;
}

/** Flat name/value list for `writeHead`. */
export function downstreamHeaders(headers: IncomingHttpHeaders, extra: readonly string[]): string[] {
  const named = namedByConnection(headers.connection);
  const flat: string[] = [...extra];
  for (const name in headers) {
    if (neverDownstream.has(name) || named?.has(name)) continue;
    const value = headers[name];
    if (typeof value === 'string') flat.push(name, value);
    else if (value !== undefined) for (const one of value) flat.push(name, one);
  }
  return flat;
}

function namedByConnection(connection: string | undefined): Set<string> | null {
  if (connection === undefined) return null;
  const lower = connection.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close') return null;
  return new Set(lower.split(',').map((name) => name.trim()));
}
