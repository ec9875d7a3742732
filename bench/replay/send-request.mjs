// One streaming chat completion, and everything about it that the report needs.
import { request } from 'undici';

/**
 * @typedef {object} Outcome
 * @property {boolean} ok
 * @property {string | null} error code and message
 * @property {string | null} endpoint
 * @property {number} attempts
 * @property {number | null} ttftMs from sending to the first event with text
 * @property {number} durationMs
 * @property {number} promptTokens as the engine counted them, else as asked
 * @property {number | null} cachedTokens
 * @property {number} completionTokens
 */

/** Never rejects. @returns {Promise<Outcome>} */
export async function sendRequest({
  gateway,
  model,
  prompt,
  promptTokens,
  maxTokens,
  timeoutMs,
  dispatcher,
}) {
  const startedMs = performance.now();
  const seen = { endpoint: null, attempts: 1, ttftMs: null, usage: null, chunks: 0, done: false };
  let error = null;
  try {
    error = await stream(seen, startedMs, {
      url: `${gateway}/v1/chat/completions`,
      dispatcher,
      signal: AbortSignal.timeout(timeoutMs),
      body: JSON.stringify({
        model,
        stream: true,
        stream_options: { include_usage: true },
        messages: [{ role: 'user', content: prompt }],
        max_tokens: maxTokens,
        ignore_eos: true,
      }),
    });
  } catch (thrown) {
    error = `client: ${thrown.code ?? thrown.name}: ${thrown.message}`;
  }
  return {
    ok: error === null,
    error,
    endpoint: seen.endpoint,
    attempts: seen.attempts,
    ttftMs: seen.ttftMs,
    durationMs: performance.now() - startedMs,
    promptTokens: seen.usage?.prompt_tokens ?? promptTokens,
    cachedTokens: seen.usage?.prompt_tokens_details?.cached_tokens ?? null,
    completionTokens: seen.usage?.completion_tokens ?? seen.chunks,
  };
}

/** What went wrong, or `null`. */
async function stream(seen, startedMs, { url, dispatcher, signal, body }) {
  const response = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    dispatcher,
    signal,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  seen.endpoint = response.headers['x-infernode-endpoint'] ?? null;
  seen.attempts = Number(response.headers['x-infernode-attempts'] ?? 1);
  if (response.statusCode !== 200) {
    const text = await response.body.text();
    return `${response.statusCode} ${codeOf(text)}`;
  }
  for await (const event of eventsOf(response.body)) {
    if (event === '[DONE]') {
      seen.done = true;
      continue;
    }
    const chunk = JSON.parse(event);
    if (chunk.error) return `stream: ${chunk.error.code ?? ''} ${chunk.error.message ?? ''}`.trim();
    const text = chunk.choices?.[0]?.delta?.content;
    if (text) {
      seen.ttftMs ??= performance.now() - startedMs;
      seen.chunks += 1;
    }
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen.done ? null : 'stream: ended without [DONE]';
}

async function* eventsOf(body) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim();
  }
}

function codeOf(text) {
  try {
    const { error } = JSON.parse(text);
    return `${error.code ?? error.type ?? ''} ${error.message ?? ''}`.trim();
  } catch {
    return text.slice(0, 200);
  }
}
