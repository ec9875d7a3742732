/**
 * Spans of requests and their attempts, where the operator has installed `@opentelemetry/api` (an optional peer dependency)
 * and registered a tracer provider before the start (`node --import`). Without it a request costs one comparison, and `traceparent` and `tracestate` of clients
 * pass to the engine like every other header. With it the engine's parent is the span of the attempt.
 */
import type { Context, Span, Tracer } from '@opentelemetry/api';
import type { IncomingHttpHeaders } from 'node:http';
import type { RequestOutcome } from '../gateway-metrics.js';

type OpenTelemetry = Pick<
  typeof import('@opentelemetry/api'),
  'propagation' | 'trace' | 'ROOT_CONTEXT' | 'SpanKind' | 'SpanStatusCode'
>;

export class RequestTracing {
  readonly #api: OpenTelemetry;
  readonly #tracer: Tracer;

  constructor(api: OpenTelemetry) {
    this.#api = api;
    this.#tracer = api.trace.getTracer('infernode.gateway');
  }

  /** `null` where the package is not installed, or nobody has registered a tracer provider yet. */
  static async load(): Promise<RequestTracing | null> {
    try {
      const api = await import('@opentelemetry/api');
      const provider = api.trace.getTracerProvider();
      const registered =
        !(provider instanceof api.ProxyTracerProvider) || provider.getDelegateTracer('') !== undefined;
      return registered ? new RequestTracing(api) : null;
    } catch {
      return null;
    }
  }

  begin(method: string, headers: IncomingHttpHeaders): RequestTrace {
    const { propagation, trace, ROOT_CONTEXT, SpanKind } = this.#api;
    const parent = propagation.extract(ROOT_CONTEXT, headers);
    const attributes = { 'http.request.method': method };
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
    return new RequestTrace(this.#api, this.#tracer, span, trace.setSpan(parent, span), method);
  }
}

export class RequestTrace {
  constructor(
    readonly api: OpenTelemetry,
    readonly tracer: Tracer,
    readonly span: Span,
    readonly context: Context,
    readonly method: string,
  ) {}

  /** One attempt at an endpoint; `headers` (flat name/value list) tell the engine its parent. */
  attempt(endpointId: string, attempts: number): { headers: string[]; end: (result: string) => void } {
    const { propagation, trace, SpanKind } = this.api;
    const attributes = { 'infernode.endpoint': endpointId, 'infernode.attempt': attempts };
    const span = this.tracer.startSpan('attempt', { kind: SpanKind.CLIENT, attributes }, this.context);
    const carrier: Record<string, string> = {};
    propagation.inject(trace.setSpan(this.context, span), carrier);
    return {
      headers: Object.entries(carrier).flat(),
      end: (result) => span.setAttribute('infernode.attempt.result', result).end(),
    };
  }

  firstToken(): void {
    this.span.addEvent('first token');
  }

  end(end: { route: string; model: string; status: number; outcome: RequestOutcome }): void {
    const { span, method } = this;
    span.updateName(`${method} ${end.route}`);
    span.setAttributes({
      'http.response.status_code': end.status,
      'gen_ai.request.model': end.model,
      'infernode.outcome': end.outcome,
    });
    // As the conventions have it for servers: what the client did wrong is no error of ours.
    const failed = end.status >= 500 || end.outcome === 'interrupted' || end.outcome === 'truncated';
    if (failed) span.setStatus({ code: this.api.SpanStatusCode.ERROR, message: end.outcome });
    span.end();
  }
}
