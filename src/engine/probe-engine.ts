/** HTTP questions to an engine, each with a deadline and a bound on the answer. */
import { Agent, request, type Dispatcher } from 'undici';
import type { EngineLoad } from '../domain/engine.js';
import type { EngineAdapter, EngineProgress } from './engine-adapter.js';
import { eachSeries } from './read-series.js';

export type HealthAnswer =
  | { kind: 'ok' }
  /** 503 with an empty body: vLLM's own word for "my engine is dead" (contract 3.1). */
  | { kind: 'dead' }
  /** Nobody listens on the port. */
  | { kind: 'refused' }
  /** Late or odd; proves nothing, since a saturated server answers late. */
  | { kind: 'unclear'; reason: string };

export interface MetricsAnswer {
  load: EngineLoad | null;
  progress: EngineProgress;
  /** Unix start time of the server as it tells it, or `null`; a new one is a new server. */
  startTime: string | null;
}

export interface EngineProbeOptions {
  url: string;
  adapter: EngineAdapter;
  apiKey?: string | undefined;
  timeoutMs?: number;
}

const defaultTimeoutMs = 2000;
/** The sample page of vLLM has 60 kB; a page beyond this is no metrics page. */
const maxBodyBytes = 4 * 1024 * 1024;

export class EngineProbe {
  readonly #url: string;
  readonly #adapter: EngineAdapter;
  readonly #timeoutMs: number;
  readonly #headers: Record<string, string>;
  /** vLLM closes idle connections after 5 s, so ours go sooner. */
  readonly #agent = new Agent({ connections: 4, keepAliveTimeout: 3000, keepAliveMaxTimeout: 4000 });

  constructor({ url, adapter, apiKey, timeoutMs = defaultTimeoutMs }: EngineProbeOptions) {
    this.#url = url.replace(/\/$/, '');
    this.#adapter = adapter;
    this.#timeoutMs = timeoutMs;
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  async health(): Promise<HealthAnswer> {
    try {
      const { status, body } = await this.#get(this.#adapter.healthPath);
      if (status === 200) return { kind: 'ok' };
      return status === 503 && body === '' && this.#adapter.tellsDeath
        ? { kind: 'dead' }
        : { kind: 'unclear', reason: `status ${status}` };
    } catch (error) {
      if (codeOf(error) === 'ECONNREFUSED') return { kind: 'refused' };
      return { kind: 'unclear', reason: codeOf(error) ?? 'no answer' };
    }
  }

  /** `null` when the page cannot be read. */
  async metrics(): Promise<MetricsAnswer | null> {
    try {
      const { status, body } = await this.#get(this.#adapter.metricsPath);
      if (status !== 200) return null;
      let startTime: string | null = null;
      eachSeries(body, 'process_start_time_seconds', (_labels, value) => (startTime = String(value)));
      return {
        load: this.#adapter.parseLoad(body),
        progress: this.#adapter.parseProgress(body),
        startTime,
      };
    } catch {
      return null;
    }
  }

  /** Model names in the server's order; empty when it does not tell. */
  async models(): Promise<string[]> {
    try {
      const { status, body } = await this.#get('/v1/models');
      if (status !== 200) return [];
      const list = (JSON.parse(body) as { data?: unknown } | null)?.data;
      const ids = Array.isArray(list) ? list.map((m: { id?: unknown } | null) => m?.id) : [];
      return ids.filter((id): id is string => typeof id === 'string');
    } catch {
      return [];
    }
  }

  /**
   * A one-token request through the whole engine. Resolves with true when it was answered, false when it was refused or cut,
   * which proves nothing; not at all while it hangs, until the signal ends it.
   */
  async canary(model: string, signal: AbortSignal): Promise<boolean> {
    try {
      const response = await request(`${this.#url}/v1/completions`, {
        method: 'POST',
        headers: { ...this.#headers, 'content-type': 'application/json' },
        body: JSON.stringify({ model, prompt: 'a', max_tokens: 1 }),
        dispatcher: this.#agent,
        headersTimeout: 0,
        bodyTimeout: 0,
        signal,
      });
      await readBounded(response.body);
      return response.statusCode === 200;
    } catch {
      return false;
    }
  }

  /** Status of a call that changes the engine, `null` when there was no answer within the limit. */
  async post(path: string, body: object | null, limitMs: number): Promise<number | null> {
    try {
      const response = await request(this.#url + path, {
        method: 'POST',
        headers: { ...this.#headers, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        dispatcher: this.#agent,
        headersTimeout: limitMs,
        signal: AbortSignal.timeout(limitMs),
      });
      await readBounded(response.body);
      return response.statusCode;
    } catch {
      return null;
    }
  }

  close(): void {
    void this.#agent.destroy().catch(() => undefined);
  }

  async #get(path: string): Promise<{ status: number; body: string }> {
    const response = await request(this.#url + path, {
      headers: this.#headers,
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    return { status: response.statusCode, body: await readBounded(response.body) };
  }
}

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error('answer too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function codeOf(error: unknown): string | null {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : null;
}
