/**
 * KEDA's external scaler: the replicas that should exist, against a constant target of 1, so that whatever KEDA has cached of the spec stays
 * true. What is not known is an error, on which KEDA and the HPA keep what there is; never a 0, which would end every replica.
 */
import type { sendUnaryData, ServerWritableStream } from '@grpc/grpc-js';
import { InfernodeError } from '../domain/error-codes.js';
import type { ExternalScalerHandlers } from '../rpc/generated/externalscaler/ExternalScaler.js';
import type { GetMetricSpecResponse } from '../rpc/generated/externalscaler/GetMetricSpecResponse.js';
import type { IsActiveResponse } from '../rpc/generated/externalscaler/IsActiveResponse.js';
import type { ScaledObjectRef__Output } from '../rpc/generated/externalscaler/ScaledObjectRef.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import type { AutoscalingMetrics } from './autoscaling-metrics.js';
import type { ScalingLoop } from './scaling-loop.js';

export interface ExternalScalerOptions {
  loop: Pick<ScalingLoop, 'get' | 'desired' | 'onRound'>;
  metrics: AutoscalingMetrics;
}

export const scalerMetricName = 'infernode-desired-replicas';
/** KEDA opens one per ScaledObject of type external-push. */
const maxStreams = 256;

const spec: GetMetricSpecResponse = {
  metricSpecs: [{ metricName: scalerMetricName, targetSize: 1, targetSizeFloat: 1 }],
};

export class ExternalScaler {
  readonly #options: ExternalScalerOptions;
  readonly #streams = new Set<{ end(): void }>();

  constructor(options: ExternalScalerOptions) {
    this.#options = options;
  }

  get handlers(): ExternalScalerHandlers {
    return {
      IsActive: ({ request }, callback) =>
        this.#answer('IsActive', callback, () => ({ result: this.#isActive(request) })),
      GetMetricSpec: ({ request }, callback) =>
        this.#answer('GetMetricSpec', callback, () => {
          this.#options.loop.get(modelIn(request));
          return spec;
        }),
      GetMetrics: ({ request }, callback) =>
        this.#answer('GetMetrics', callback, () => {
          if (request.metricName !== '' && request.metricName !== scalerMetricName)
            throw new InfernodeError(
              'argument-invalid',
              `expected the metric ${scalerMetricName}, got ${request.metricName}`,
            );
          const desired = this.#options.loop.desired(modelIn(request.scaledObjectRef));
          // KEDA takes the whole number where the float is 0, so both are filled.
          return {
            metricValues: [{ metricName: scalerMetricName, metricValue: desired, metricValueFloat: desired }],
          };
        }),
      StreamIsActive: (call) => this.#streamActivity(call),
      StreamMetricSpec: (call) => this.#streamSpec(call),
    };
  }

  /** Ends the streams, which would otherwise hold the server. */
  close(): void {
    for (const stream of this.#streams) stream.end();
  }

  #isActive(ref: ScaledObjectRef__Output): boolean {
    return this.#options.loop.desired(modelIn(ref)) > 0;
  }

  /** The present answer, then each change; a round without a decision changes nothing. */
  #streamActivity(call: ServerWritableStream<ScaledObjectRef__Output, IsActiveResponse>): void {
    let told: boolean | null = null;
    const tell = (): void => {
      const active = this.#isActive(call.request);
      if (active !== told) call.write({ result: (told = active) });
    };
    if (!this.#open('StreamIsActive', call, tell)) return;
    const unsubscribe = this.#options.loop.onRound(() => {
      try {
        tell();
      } catch {
        // KEDA keeps what it was told last; the next unary call says why.
      }
    });
    call.on('close', unsubscribe);
    call.on('cancelled', unsubscribe);
  }

  #streamSpec(call: ServerWritableStream<ScaledObjectRef__Output, GetMetricSpecResponse>): void {
    this.#open('StreamMetricSpec', call, () => {
      this.#options.loop.get(modelIn(call.request));
      call.write(spec);
    });
  }

  #open<R>(
    method: string,
    call: ServerWritableStream<ScaledObjectRef__Output, R>,
    begin: () => void,
  ): boolean {
    try {
      if (this.#streams.size >= maxStreams)
        throw new InfernodeError(
          'queue-full',
          `expected at most ${maxStreams} streams, one per ScaledObject`,
        );
      begin();
    } catch (error) {
      call.emit('error', this.#failure(method, error));
      return false;
    }
    this.#streams.add(call);
    const leave = (): unknown => this.#streams.delete(call);
    call.on('close', leave);
    call.on('cancelled', leave);
    return true;
  }

  #answer<T>(method: string, callback: sendUnaryData<T>, value: () => T): void {
    try {
      callback(null, value());
    } catch (error) {
      callback(this.#failure(method, error));
    }
  }

  #failure(method: string, thrown: unknown): ReturnType<typeof toServiceError> {
    const error = toServiceError(thrown);
    this.#options.metrics.rpcErrors.inc({ method, reason: reasonOf(error) ?? 'internal' });
    return error;
  }
}

function modelIn(ref: ScaledObjectRef__Output | null): string {
  const model = ref?.scalerMetadata['model'];
  if (model !== undefined && model !== '') return model;
  throw new InfernodeError(
    'argument-invalid',
    'expected metadata.model in the trigger of the ScaledObject, such as model: meta-llama/Llama-3.1-8B-Instruct',
  );
}
