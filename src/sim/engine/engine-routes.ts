import { randomUUID } from 'node:crypto';
import { CompletionAnswer } from './answer-completion.js';
import { usage } from './answer-format.js';
import { ApiError } from './api-error.js';
import { pause, sendEmpty, sendJson, type Call, type Handler } from './api-server.js';
import {
  chatPrompt,
  readCompletionRequest,
  readModel,
  type CompletionKind,
  type RequestLimits,
} from './completion-request.js';
import { printProcessMetrics, type HttpMetrics } from './http-metrics.js';
import { seededRandom } from './seeded-random.js';
import { engineDeadMessage, type SimulatedEngine } from './simulated-engine.js';
import type { ServingFaults } from './serving-faults.js';
import { detokenize, tokenizeText, tokenPieces } from './tokenizer.js';

export interface RouteContext {
  engine: SimulatedEngine;
  http: HttpMetrics;
  faults: ServingFaults;
  /** LoRA adapters by name, with their path. */
  adapters: Map<string, string>;
}

/** The plain and the OpenAI routes of a ready server. */
export function engineRoutes(context: RouteContext): Map<string, Handler> {
  const { engine } = context;
  const { version } = engine.settings.simulation;
  const routes = new Map<string, Handler>();
  const both = (path: string, handler: Handler): void => {
    routes.set(`GET ${path}`, handler);
    routes.set(`POST ${path}`, handler);
  };
  routes.set('GET /health', (call) => health(context, call));
  both('/ping', (call) => health(context, call));
  routes.set('GET /version', ({ response }) => sendJson(response, 200, { version }));
  routes.set('GET /load', ({ response }) => {
    const tracked = engine.settings.flags.get('enable-server-load-tracking') === true;
    sendJson(response, 200, { server_load: tracked ? engine.loop.openRequests : 0 });
  });
  routes.set('GET /metrics', (call) => metricsPage(context, call));
  routes.set('GET /v1/models', ({ response }) => sendJson(response, 200, modelList(context)));
  routes.set('POST /tokenize', (call) => tokenize(context, call));
  routes.set('POST /detokenize', async ({ response, json }) => {
    const { tokens } = await json();
    sendJson(response, 200, { prompt: detokenize(Array.isArray(tokens) ? tokens.map(Number) : []) });
  });
  if (engine.settings.tasks.includes('generate')) {
    routes.set('POST /v1/completions', (call) => complete(context, 'completion', call));
    routes.set('POST /v1/chat/completions', (call) => complete(context, 'chat', call));
  }
  if (engine.settings.tasks.includes('embed'))
    routes.set('POST /v1/embeddings', (call) => embed(context, call));
  return routes;
}

function health({ engine, faults }: RouteContext, { response }: Call): Promise<void> | void {
  const answer = (): void => sendEmpty(response, engine.dead ? 503 : 200);
  return faults.healthDelayMs > 0 ? pause(faults.healthDelayMs).then(answer) : answer();
}

function metricsPage({ engine, http, faults }: RouteContext, { response }: Call): void {
  const garbage = faults.garbageMetrics();
  const text = garbage ?? printProcessMetrics() + engine.metrics.print() + http.print();
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(text);
}

function modelList({ engine, adapters }: RouteContext): object {
  const { servedNames, model } = engine.settings;
  const created = Math.floor(Date.now() / 1000);
  const maximum = engine.plan.maxModelLength;
  const base = servedNames[0]!;
  const data = servedNames.map((id) => modelCard(id, created, model, null, maximum));
  for (const [name, path] of adapters) data.push(modelCard(name, created, path, base, null));
  return { object: 'list', data };
}

function modelCard(
  id: string,
  created: number,
  root: string,
  parent: string | null,
  maxModelLength: number | null,
): object {
  const permission = {
    id: `modelperm-${randomUUID().replace(/-/g, '')}`,
    object: 'model_permission',
    created,
    allow_create_engine: false,
    allow_sampling: true,
    allow_logprobs: true,
    allow_search_indices: false,
    allow_view: true,
    allow_fine_tuning: false,
    organization: '*',
    group: null,
    is_blocking: false,
  };
  return {
    id,
    object: 'model',
    created,
    owned_by: 'vllm',
    root,
    parent,
    max_model_len: maxModelLength,
    permission: [permission],
  };
}

function limitsOf({ engine, adapters }: RouteContext): RequestLimits {
  const { settings, plan } = engine;
  return {
    servedNames: new Set([...settings.servedNames, ...adapters.keys()]),
    defaultModel: settings.servedNames[0]!,
    maxModelLength: plan.maxModelLength,
    fcfs: settings.flags.get('scheduling-policy') !== 'priority',
    forceUsage: settings.flags.get('enable-force-include-usage') === true,
    engineSeed: settings.simulation.seed,
  };
}

async function complete(context: RouteContext, kind: CompletionKind, call: Call): Promise<void> {
  const { engine, faults } = context;
  const body = await call.json();
  const request = readCompletionRequest(kind, body, limitsOf(context));
  if (engine.dead) throw new ApiError(500, 'InternalServerError', engineDeadMessage);
  faults.beforeRequest();
  refuseWhenFull(engine);
  const id = typeof body['request_id'] === 'string' ? body['request_id'] : call.requestId;
  if (call.request.headers['endpoint-load-metrics-format'] !== undefined)
    call.response.setHeader('endpoint-load-metrics', loadReport(engine, call.request.headers));
  if (call.response.destroyed) return; // The client left while its body was read.
  new CompletionAnswer(engine, request, call.response, {
    requestId: id,
    cachedDetails: engine.settings.flags.get('enable-prompt-tokens-details') === true,
    faults: faults.streams,
  }).start();
}

/** From 0.28 on, a bound on the queue may be set; before, it grows without one. */
function refuseWhenFull({ settings, scheduler }: SimulatedEngine): void {
  const most = settings.flags.get('max-num-queued-reqs');
  if (typeof most === 'number' && scheduler.waiting.length >= most)
    throw new ApiError(503, 'QueueOverflow', 'The request queue is full. Please retry later.');
}

function loadReport({ scheduler }: SimulatedEngine, headers: Call['request']['headers']): string {
  const values = {
    kv_cache_usage_perc: scheduler.pool.usage,
    num_requests_waiting: scheduler.waiting.length,
  };
  if (/json/i.test(String(headers['endpoint-load-metrics-format'])))
    return `JSON ${JSON.stringify({ named_metrics: values })}`;
  const pairs = Object.entries(values).map(([name, value]) => `named_metrics.${name}=${value}`);
  return `TEXT ${pairs.join(', ')}`;
}

async function tokenize(context: RouteContext, { response, json }: Call): Promise<void> {
  const body = await json();
  readModel(body, limitsOf(context));
  const prompt = typeof body['prompt'] === 'string' ? body['prompt'] : null;
  const tokens = prompt === null ? chatPrompt(body).tokens : tokenizeText(prompt);
  const pieces = prompt === null ? null : tokenPieces(prompt);
  sendJson(response, 200, {
    count: tokens.length,
    max_model_len: context.engine.plan.maxModelLength,
    tokens: [...tokens],
    token_strs: body['return_token_strs'] === true ? pieces : null,
  });
}

/** Length of the vectors; small, as nobody looks at the numbers. */
const embeddingLength = 64;

async function embed(context: RouteContext, { response, requestId, json }: Call): Promise<void> {
  const body = await json();
  const model = readModel(body, limitsOf(context));
  const { engine } = context;
  if (engine.dead) throw new ApiError(500, 'InternalServerError', engineDeadMessage);
  const input = body['input'];
  if (input === undefined || input === null) throw new ApiError(400, 'Bad Request', 'Field required: input');
  const inputs = Array.isArray(input) && !input.every(Number.isInteger) ? input : [input];
  const lists = inputs.map((one) =>
    typeof one === 'string' ? tokenizeText(one) : Int32Array.from(Array.isArray(one) ? one.map(Number) : []),
  );
  await Promise.all(lists.map((tokens, index) => prefillOnly(engine, tokens, `embd-${requestId}-${index}`)));
  const data = lists.map((tokens, index) => ({
    index,
    object: 'embedding',
    embedding: encode(vectorOf(tokens), body['encoding_format']),
  }));
  const total = lists.reduce((sum, tokens) => sum + tokens.length, 0);
  sendJson(response, 200, {
    id: `embd-${requestId}`,
    object: 'list',
    created: Math.floor(Date.now() / 1000),
    model,
    data,
    usage: usage(total, 0, null),
  });
}

/** An embedding is a prompt without a reply: one token's worth of engine time. */
function prefillOnly(engine: SimulatedEngine, promptTokens: Int32Array, id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const died = (): void => reject(new ApiError(500, 'InternalServerError', engineDeadMessage));
    const fixed = {
      maxTokens: 1,
      minTokens: 0,
      ignoreEos: true,
      stop: [],
      stopTokenIds: [],
      priority: 0,
      seed: 0,
    };
    engine.submit({ ...fixed, id, promptTokens, cacheSalt: '' }, { output: () => resolve(), died });
  });
}

function vectorOf(tokens: Int32Array): number[] {
  const random = seededRandom(tokens.reduce((sum, token) => Math.imul(sum ^ token, 0x01000193), 17));
  const raw = Array.from({ length: embeddingLength }, () => random() - 0.5);
  const norm = Math.hypot(...raw);
  return raw.map((value) => value / norm);
}

function encode(vector: number[], format: unknown): number[] | string {
  return format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
}
