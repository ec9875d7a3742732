// Trace context: forwarded as it came where nobody traces; spans and a new parent where a tracer provider is registered.
import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, test, vi } from 'vitest';
import { RequestTracing } from '../../../src/gateway/observe/request-trace.js';
import { post, startGateway, type Harness } from '../../support/gateway-harness.js';
import {
  answerJson,
  answerStream,
  ScriptedEngine,
  type EngineScript,
} from '../../support/scripted-engine.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const theirs = { traceparent: `00-${traceId}-${parentId}-01`, tracestate: 'vendor=1' };
const chat = '/v1/chat/completions';
const body = { model: 'alias', messages: [{ role: 'user', content: 'Hello' }] };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
  trace.disable();
  propagation.disable();
});

async function setUp(...scripts: EngineScript[]): Promise<{ engines: ScriptedEngine[]; harness: Harness }> {
  const engines = await Promise.all(scripts.map((script) => ScriptedEngine.start(script)));
  const harness = await startGateway(engines, { limits: { queueTimeoutMs: 1 } });
  open.push(...engines, harness);
  return { engines, harness };
}

function traced(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return exporter;
}

test('without a tracer provider the trace context of the client reaches the engine as it came', async () => {
  const { engines, harness } = await setUp(answerJson);
  await post(`${harness.url}${chat}`, body, theirs);
  expect(engines[0]?.calls[0]?.headers).toMatchObject(theirs);
});

test('a request is a span below the client, each attempt one below it, and the engine continues the attempt', async () => {
  const exporter = traced();
  const { engines, harness } = await setUp((call) => void call.response.writeHead(503).end(), answerStream);
  const answer = await post(`${harness.url}${chat}`, { ...body, stream: true }, theirs);
  expect(answer.status).toBe(200);
  const spans = exporter.getFinishedSpans();
  const request = spans.find(({ kind }) => kind === SpanKind.SERVER);
  const attempts = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
  expect(request).toMatchObject({
    name: 'POST chat',
    parentSpanContext: { spanId: parentId },
    status: { code: SpanStatusCode.UNSET },
    attributes: {
      'http.response.status_code': 200,
      'gen_ai.request.model': 'model',
      'infernode.outcome': 'ok',
    },
  });
  expect(request?.events.map(({ name }) => name)).toEqual(['first token']);
  expect(attempts.map(({ attributes }) => attributes['infernode.attempt.result'])).toEqual([
    'refused',
    'answered',
  ]);
  for (const [i, attempt] of attempts.entries()) {
    expect(attempt.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(attempt.attributes['infernode.endpoint']).toBe(`node-${i}/engine`);
    const { headers } = engines[i]?.calls[0] ?? {};
    expect(headers?.traceparent).toBe(`00-${traceId}-${attempt.spanContext().spanId}-01`);
    expect(headers?.tracestate).toBe('vendor=1');
  }
});

test('what the client did wrong is no error of the span; what failed here is', async () => {
  const exporter = traced();
  const { harness } = await setUp(answerJson);
  await post(`${harness.url}${chat}`, { model: 'nobody' });
  harness.routing.cordon('node-0/engine', 'operator:test');
  await post(`${harness.url}${chat}`, body);
  const ends = exporter
    .getFinishedSpans()
    .map(({ attributes, status }) => [attributes['http.response.status_code'], status.code]);
  expect(ends).toEqual([
    [404, SpanStatusCode.UNSET],
    [503, SpanStatusCode.ERROR],
  ]);
});

test('where the package is not installed nothing is traced, and the trace context passes as it came', async () => {
  traced();
  expect(await RequestTracing.load()).not.toBeNull();
  vi.doMock('@opentelemetry/api', () => {
    throw Object.assign(new Error("Cannot find package '@opentelemetry/api'"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  });
  try {
    expect(await RequestTracing.load()).toBeNull();
    const { engines, harness } = await setUp(answerJson);
    expect((await post(`${harness.url}${chat}`, body, theirs)).status).toBe(200);
    expect(engines[0]?.calls[0]?.headers).toMatchObject(theirs);
  } finally {
    vi.doUnmock('@opentelemetry/api');
  }
});
