/** Which headers travel: end-to-end ones in both directions, never a client's credentials, never hop-by-hop ones. */
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

/** Flat name/value list for the engine; `trace` goes in the place of the client's own. `rawHeaders` keeps duplicates and the client's spelling. */
export function upstreamHeaders(
  rawHeaders: readonly string[],
  connection: string | undefined,
  requestId: string,
  apiKey: string | undefined,
  trace: readonly string[] = [],
): string[] {
  const named = namedByConnection(connection);
  const headers: string[] = ['x-request-id', requestId, ...trace];
  if (apiKey !== undefined) headers.push('authorization', `Bearer ${apiKey}`);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (neverUpstream.has(lower) || named?.has(lower) || trace.includes(lower)) continue;
    headers.push(name, rawHeaders[i + 1] as string);
  }
  return headers;
}

/** Flat name/value list for `writeHead`, from the engine's and ours. */
export function downstreamHeaders(headers: readonly string[], extra: readonly string[]): string[] {
  const flat: string[] = [...extra];
  const named = namedByConnection(connectionOf(headers));
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const lower = name.toLowerCase();
    if (!neverDownstream.has(lower) && named?.has(lower) !== true) flat.push(name, headers[i + 1] as string);
  }
  return flat;
}

function connectionOf(headers: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i + 1 < headers.length; i += 2)
    if ((headers[i] as string).toLowerCase() === 'connection')
      found = found === undefined ? headers[i + 1] : `${found},${headers[i + 1]}`;
  return found;
}

function namedByConnection(connection: string | undefined): Set<string> | null {
  if (connection === undefined) return null;
  const lower = connection.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close') return null;
  return new Set(lower.split(',').map((name) => name.trim()));
}
