/** `infernode.autoscaling.v1.AutoscalingService`: what is known and decided for each model. Read only. */
import type { sendUnaryData } from '@grpc/grpc-js';
import type { AutoscalingServiceHandlers } from '../rpc/generated/infernode/autoscaling/v1/AutoscalingService.js';
import type { ModelScaling } from '../rpc/generated/infernode/autoscaling/v1/ModelScaling.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import type { AutoscalingMetrics } from './autoscaling-metrics.js';
import type { ScalingDescription } from './describe-scaling.js';

export interface AutoscalingServiceOptions {
  /** Throws `model-unknown`. */
  describe: (model: string) => ScalingDescription;
  describeAll: () => ScalingDescription[];
  metrics: AutoscalingMetrics;
}

export function createAutoscalingService(options: AutoscalingServiceOptions): AutoscalingServiceHandlers {
  const answer = <T>(method: string, callback: sendUnaryData<T>, value: () => T): void => {
    try {
      callback(null, value());
    } catch (thrown) {
      const error = toServiceError(thrown);
      options.metrics.rpcErrors.inc({ method, reason: reasonOf(error) ?? 'internal' });
      callback(error);
    }
  };
  return {
    ListScaling: (_call, callback) =>
      answer('ListScaling', callback, () => ({ models: options.describeAll().map(toProto) })),
    GetScaling: ({ request }, callback) =>
      answer('GetScaling', callback, () => toProto(options.describe(request.model))),
  };
}

/** What is not known is left out on the wire. */
function toProto(description: ScalingDescription): ModelScaling {
  return Object.fromEntries(Object.entries(description).filter(([, value]) => value !== null));
}
