/**
 * The few calls of the Kubernetes API that infernode makes, over HTTPS with the pod's own service account. Plain calls instead of a
 * client library: five verbs on four kinds do not earn a hundred packages.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Agent, Dispatcher } from 'undici';
import { InfernodeError, messageOf } from '../domain/error-codes.js';

export interface KubeClientOptions {
  /** `https://10.0.0.1:443`. */
  server: string;
  /** Read at every call: the kubelet replaces the token about once an hour. */
  tokenFile?: string | undefined;
  caFile?: string | undefined;
  /** A call that takes longer fails, ms; watches are not bounded by it. */
  timeoutMs?: number;
}

/** As the API server says it: its HTTP status and reason. `conflict`: somebody else wrote first. `gone`: the version is too old. */
export class KubeError extends InfernodeError {
  constructor(
    readonly status: number,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(status === 403 || status === 401 ? 'permission-denied' : 'node-unreachable', message, options);
  }
  get conflict(): boolean {
    return this.status === 409;
  }
  get gone(): boolean {
    return this.status === 410;
  }
  get notFound(): boolean {
    return this.status === 404;
  }
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  labels?: Record<string, string>;
}

export interface KubeObject {
  metadata: ObjectMeta;
}

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';
const defaultTimeoutMs = 10_000;
/** A list of 5,000 slices is about 10 MB; what is larger is not ours. */
const maxBodyBytes = 64 * 1024 * 1024;

export class KubeClient {
  readonly #options: KubeClientOptions;
  readonly #ca: Buffer | undefined;
  /** Made with the first call: an agent outside a cluster makes none, and does not load the client. */
  #agent: Agent | null = null;

  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.#ca = options.caFile === undefined ? undefined : readFileSync(options.caFile);
  }

  /** From inside a pod. Throws `config-invalid` where there is no service account. */
  static inCluster(env: NodeJS.ProcessEnv = process.env): KubeClient {
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
    if (!host)
      throw new InfernodeError(
        'config-invalid',
        'kubernetes: KUBERNETES_SERVICE_HOST is not set; run inside a pod with a service account, or give kubernetes.server',
      );
    const bracketed = host.includes(':') ? `[${host}]` : host;
    return new KubeClient({
      server: `https://${bracketed}:${port}`,
      tokenFile: `${serviceAccount}/token`,
      caFile: `${serviceAccount}/ca.crt`,
    });
  }

  /** By configuration; without a server from inside a pod. */
  static from({ server, tokenFile, caFile }: Partial<KubeClientOptions>): KubeClient {
    return server === undefined ? KubeClient.inCluster() : new KubeClient({ server, tokenFile, caFile });
  }

  get<T extends KubeObject>(path: string): Promise<T> {
    return this.#json('GET', path);
  }

  list<T extends KubeObject>(path: string): Promise<{ metadata: { resourceVersion: string }; items: T[] }> {
    return this.#json('GET', path);
  }

  create<T extends KubeObject>(path: string, body: object): Promise<T> {
    return this.#json('POST', path, body);
  }

  /** Fails with `conflict` unless `metadata.resourceVersion` is the newest. */
  replace<T extends KubeObject>(path: string, body: object): Promise<T> {
    return this.#json('PUT', path, body);
  }

  /** Strategic merge: list members such as conditions are merged by their key. */
  patch<T extends KubeObject>(path: string, body: object): Promise<T> {
    return this.#json('PATCH', path, body, 'application/strategic-merge-patch+json');
  }

  /** The raw bytes of a watch; ends when the server or the signal ends it. Throws `gone` when the version is too old. */
  async watch(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const { body } = await this.#send('GET', path, { signal });
    return body;
  }

  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  async #json<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH',
    path: string,
    body?: object,
    type = 'application/json',
  ): Promise<T> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs ?? defaultTimeoutMs);
    const response = await this.#send(method, path, {
      signal,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': type } } : {}),
    });
    return JSON.parse(await boundedText(response.body)) as T;
  }

  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    { headers, ...options }: { signal: AbortSignal; body?: string; headers?: Record<string, string> },
  ): Promise<Dispatcher.ResponseData> {
    const { server, tokenFile } = this.#options;
    let response: Dispatcher.ResponseData;
    try {
      const token = tokenFile === undefined ? null : (await readFile(tokenFile, 'utf8')).trim();
      const { Agent, request } = await import('undici');
      const ca = this.#ca ? { ca: this.#ca } : {};
      this.#agent ??= new Agent({ connect: { ...ca, timeout: 5_000 }, bodyTimeout: 0 });
      response = await request(`${server}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: {
          accept: 'application/json',
          ...headers,
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
        ...options,
      });
    } catch (error) {
      throw new KubeError(0, `${method} ${path}: the Kubernetes API does not answer (${messageOf(error)})`, {
        cause: error,
      });
    }
    if (response.statusCode < 300) return response;
    const text = await boundedText(response.body).catch(() => '');
    throw new KubeError(response.statusCode, `${method} ${path}: ${response.statusCode} ${reasonIn(text)}`);
  }
}

async function boundedText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBodyBytes)
      throw new KubeError(0, `expected at most ${maxBodyBytes} bytes from the Kubernetes API, got more`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The message of a `Status` object, else the beginning of what came. */
function reasonIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message.slice(0, 300);
  } catch {
    // Not a Status: a proxy's page, perhaps.
  }
  return text.slice(0, 100);
}
