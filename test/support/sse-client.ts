import { request } from 'undici';

export interface StreamResult {
  status: number;
  /** Endpoint that served it, from the response headers. */
  endpoint: string | null;
  attempts: number;
  /** Raw `data:` payloads in order. */
  events: string[];
  done: boolean;
  error: { code: unknown; type: string; message: string } | null;
  text: string;
}

export interface OpenStream {
  /** Resolves when the first byte of the body is here. */
  firstByte: Promise<void>;
  result: Promise<StreamResult>;
  abort(): void;
}

/** One streaming chat completion, read to its end by the plainest means. */
export function openStream(gateway: string, body: Record<string, unknown>): OpenStream {
  const aborter = new AbortController();
  let sawFirstByte = (): void => undefined;
  const firstByte = new Promise<void>((resolve) => (sawFirstByte = resolve));
  const result = (async (): Promise<StreamResult> => {
    const response = await request(`${gateway}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ stream: true, ...body }),
      signal: aborter.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    let raw = '';
    for await (const chunk of response.body) {
      sawFirstByte();
      raw += (chunk as Buffer).toString('utf8');
    }
    return parse(response.statusCode, response.headers, raw);
  })();
  return { firstByte, result, abort: () => aborter.abort() };
}

function parse(
  status: number,
  headers: Record<string, string | string[] | undefined>,
  raw: string,
): StreamResult {
  const events = raw.split('\n\n').flatMap((event) => (event.startsWith('data: ') ? [event.slice(6)] : []));
  const objects = events.filter((e) => e !== '[DONE]').map((e) => JSON.parse(e) as Record<string, never>);
  const plainError =
    events.length === 0 && raw.startsWith('{') ? (JSON.parse(raw) as { error?: never }).error : undefined;
  return {
    status,
    endpoint: (headers['x-infernode-endpoint'] as string | undefined) ?? null,
    attempts: Number(headers['x-infernode-attempts'] ?? 1),
    events,
    done: events.at(-1) === '[DONE]',
    error:
      (objects.find((o) => 'error' in o)?.['error'] as StreamResult['error'] | undefined) ??
      plainError ??
      null,
    text: objects
      .map((o) => (o['choices'] as { delta?: { content?: string } }[] | undefined)?.[0]?.delta?.content ?? '')
      .join(''),
  };
}
