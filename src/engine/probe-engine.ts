/**
 * HTTP questions to an engine, each with a deadline and a bound on the answer. Over Node's own client: the agent asks a few times a
 * second for months, and a second client would be 5 MiB that it has loaded for nothing else.
 */
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
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
/** A connection is used each second, so that none idles for the 5 s after which vLLM would close it. */
const pool = { keepAlive: true, maxSockets: 4 };

interface Question {
  method?: 'GET' | 'POST';
  /** Sent as JSON. */
  body?: object | null;
  /** `null`: it may take as long as it likes, until the signal. */
  limitMs: number | null;
  signal?: AbortSignal;
}

interface Answer {
  status: number;
  body: string;
}

export class EngineProbe {
  readonly #target: RequestOptions;
  readonly #request: typeof request;
  readonly #adapter: EngineAdapter;
  readonly #timeoutMs: number;
  readonly #headers: Record<string, string>;
  readonly #agent: Agent;
  readonly #basePath: string;

  constructor({ url, adapter, apiKey, timeoutMs = defaultTimeoutMs }: EngineProbeOptions) {
    const { path, ...target } = urlToHttpOptions(new URL(url));
    this.#target = target;
    this.#basePath = (path ?? '').replace(/\/$/, '');
    const secure = target.protocol === 'https:';
    this.#request = secure ? tlsRequest : request;
    this.#agent = secure ? new TlsAgent(pool) : new Agent(pool);
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
      const body = { model, prompt: 'a', max_tokens: 1 };
      const { status } = await this.#ask('/v1/completions', { method: 'POST', body, limitMs: null, signal });
      return status === 200;
    } catch {
      return false;
    }
  }

  /** Status of a call that changes the engine, `null` when there was no answer within the limit. */
  async post(path: string, body: object | null, limitMs: number): Promise<number | null> {
    try {
      return (await this.#ask(path, { method: 'POST', body, limitMs })).status;
    } catch {
      return null;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #get(path: string): Promise<Answer> {
    return this.#ask(path, { limitMs: this.#timeoutMs });
  }

  #ask(path: string, { method = 'GET', body = null, limitMs, signal }: Question): Promise<Answer> {
    const text = body === null ? null : JSON.stringify(body);
    const json =
      text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const options = {
        ...this.#target,
        ...{ path: this.#basePath + path, method, agent: this.#agent },
        headers: { ...this.#headers, ...json },
        ...(signal ? { signal } : {}),
      };
      const question = this.#request(options, (response) => readBounded(response, resolve, reject));
      const late = (): unknown => question.destroy(new Error(`no answer within ${limitMs} ms`));
      const timer = limitMs === null ? undefined : setTimeout(late, limitMs).unref();
      question.once('error', reject);
      question.once('close', () => {
        clearTimeout(timer);
        // Whatever ended it has been told by now; this is for an end without a word.
        reject(new Error('the connection was closed'));
      });
      question.end(text ?? undefined);
    });
  }
}

function readBounded(
  response: IncomingMessage,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('error', reject);
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > maxBodyBytes) response.destroy(new Error('answer too long'));
    else chunks.push(chunk);
  });
  response.once('end', () =>
    resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
  );
}

function codeOf(error: unknown): string | null {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : null;
}
