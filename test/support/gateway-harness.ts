// A gateway over real sockets and the real placement, in front of scripted engines; the cluster is played by the test.
import { request } from 'undici';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import type { EndpointState } from '../../src/domain/endpoint.js';
import { GatewayMetrics } from '../../src/gateway/gateway-metrics.js';
import type { GatewayRouting, ModelReadiness } from '../../src/gateway/gateway-routing.js';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway-server.js';
import { standingRefusal } from '../../src/placement/eligibility.js';
import { wordsWorthReading } from '../../src/gateway/relay/sse-observer.js';
import { NativeEventRelay } from '../../src/native/event-relay.js';
import { InMemoryModelPlacement } from '../../src/placement/index.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { ScriptedEngine, type EngineScript } from './scripted-engine.js';

export function anEndpoint(id: string, url: string, overrides: Partial<EndpointState> = {}): EndpointState {
  return {
    id,
    node: id.split('/')[0] ?? id,
    engineId: id.split('/')[1] ?? id,
    incarnation: '1',
    url,
    servedModels: ['model'],
    engineState: 'ready',
    engineReason: '',
    cordonHolders: [],
    deviceHealth: 'healthy',
    deviceReason: '',
    evicting: false,
    nodeSilent: false,
    capacityBlocks: 1024,
    maxConcurrent: 256,
    ...overrides,
  };
}

/** The cluster as the gateway sees it, with one model; round robin, so that tests know who is next. */
export class FakeRouting implements GatewayRouting {
  readonly placement = new InMemoryModelPlacement({ strategy: 'round-robin' });
  readonly aliases = new Map<string, string>([['alias', 'model']]);
  /** How many engines should be able to take requests. */
  least = 0;
  readonly #endpoints = new Map<string, EndpointState>();
  readonly #onEvict = new Set<(id: string, reason: string) => void>();
  readonly #onChange = new Set<() => void>();

  modelNames(): readonly string[] {
    return ['model', ...this.aliases.keys()];
  }

  resolve(requested: string): { model: string; placement: InMemoryModelPlacement } | null {
    const model = this.aliases.get(requested) ?? requested;
    return model === 'model' ? { model, placement: this.placement } : null;
  }

  readiness(): ModelReadiness[] {
    const ready = [...this.#endpoints.values()].filter((state) => standingRefusal(state) === null).length;
    return [{ model: 'model', placement: this.placement, ready, least: this.least }];
  }

  endpoint(id: string): EndpointState | undefined {
    return this.#endpoints.get(id);
  }

  onEvict(listener: (id: string, reason: string) => void): () => void {
    this.#onEvict.add(listener);
    return () => this.#onEvict.delete(listener);
  }

  onChange(listener: () => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  set(endpoint: EndpointState): void {
    this.#endpoints.set(endpoint.id, endpoint);
    this.placement.upsert(endpoint);
    for (const listener of this.#onChange) listener();
  }

  evict(id: string, reason: string): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint) this.set({ ...endpoint, evicting: true, deviceReason: reason });
    for (const listener of this.#onEvict) listener(id, reason);
  }

  cordon(id: string, holder: string): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint) this.set({ ...endpoint, cordonHolders: [holder] });
    for (const listener of this.#onEvict) listener(id, `cordoned by ${holder}`);
  }

  inFlight(): number {
    return [...this.placement.inFlight().values()].reduce((sum, n) => sum + n, 0);
  }
}

export interface Harness {
  gateway: Gateway;
  routing: FakeRouting;
  registry: Registry;
  url: string;
  /** Value of a series, 0 when absent. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  close(): Promise<void>;
}

const limits: GatewayOptions['limits'] = {
  maxBodyBytes: 1024 * 1024,
  maxQueuedRequests: 8,
  queueTimeoutMs: 5000,
  firstByteTimeoutMs: 60_000,
  connectTimeoutMs: 2000,
  drainTimeoutMs: 5000,
};
const retry: GatewayOptions['retry'] = {
  maxAttempts: 4,
  baseMs: 1,
  capMs: 2,
  jitterRatio: 0,
  budgetRatio: 0.1,
};

/** As the coordinator does, one for the process. */
let eventRelay: NativeEventRelay | null = new NativeEventRelay(wordsWorthReading);

/** Every event passes through JavaScript, as where the addon does not load. */
export function withoutNativeRelay(): void {
  eventRelay = null;
}

export interface HarnessOptions extends Partial<Omit<GatewayOptions, 'limits' | 'retry'>> {
  limits?: Partial<GatewayOptions['limits']>;
  retry?: Partial<GatewayOptions['retry']>;
}

/** Engines become `node-<n>/engine`. */
export async function startGateway(
  engines: readonly ScriptedEngine[],
  options: HarnessOptions = {},
): Promise<Harness> {
  const routing = new FakeRouting();
  engines.forEach((engine, i) => routing.set(anEndpoint(`node-${i}/engine`, engine.url)));
  const registry = new Registry();
  const gateway = new Gateway({
    listen: { host: '127.0.0.1', port: 0 },
    routing,
    hashSeed: 'test',
    eventRelay,
    clock: systemClock,
    logger: silentLogger(),
    metrics: new GatewayMetrics(registry),
    ...options,
    limits: { ...limits, ...options.limits },
    retry: { ...retry, ...options.retry },
  });
  await gateway.start();
  return {
    gateway,
    routing,
    registry,
    url: gateway.url,
    async metric(name, labels = {}) {
      const found = await registry.getSingleMetric(`infernode_gateway_${name}`)?.get();
      const values = (found?.values ?? []) as {
        labels: Record<string, string>;
        value: number;
        metricName?: string;
      }[];
      return values
        .filter((v) => Object.entries(labels).every(([k, wanted]) => String(v.labels[k]) === wanted))
        .filter((v) => v.metricName === undefined || v.metricName.endsWith('_count'))
        .reduce((sum, v) => sum + v.value, 0);
    },
    close: async () => {
      gateway.destroy('test over');
      await gateway.close();
    },
  };
}

/** When the test is over, the last first. */
export function closeAfterTest(...things: { close(): Promise<void> }[]): void {
  for (const thing of things) onTestFinished(() => thing.close());
}

/** One engine and a gateway in front of it, for the length of a test. */
export async function setUp(
  script?: EngineScript,
  options?: HarnessOptions,
): Promise<{ engine: ScriptedEngine; harness: Harness }> {
  const engine = await ScriptedEngine.start(script);
  const harness = await startGateway([engine], options);
  closeAfterTest(engine, harness);
  return { engine, harness };
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  text: string;
  /** Parsed body; `{}` when it is no JSON. */
  json: { error?: { message: string; type: string; param: string | null; code: string } } & Record<
    string,
    unknown
  >;
}

export const chatBody = { model: 'model', messages: [{ role: 'user', content: 'Hello' }] };

/** One request with a plain body, read to its end; rejects when the connection is cut. */
export async function post(
  url: string,
  body: object | string | Buffer = chatBody,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  return { status: response.statusCode, headers: response.headers, body: bytes, ...parse(bytes) };
}

function parse(bytes: Buffer): { text: string; json: Answer['json'] } {
  const text = bytes.toString('utf8');
  try {
    return { text, json: JSON.parse(text) as Answer['json'] };
  } catch {
    return { text, json: {} };
  }
}
