/**
 * `infernode.node.v1.NodeService`: checks what came over the wire, then hands it to whoever owns the matter. The handlers
 * keep no state. Calls that change something answer when the change has begun and is visible on every stream.
 */
import type { handleServerStreamingCall, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { cordonHolderPattern } from '../domain/cordon.js';
import type { DeviceStatus } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { NodeServiceHandlers } from '../rpc/generated/infernode/node/v1/NodeService.js';
import type { NodeUpdate } from '../rpc/generated/infernode/node/v1/NodeUpdate.js';
import type { WatchNodeRequest__Output } from '../rpc/generated/infernode/node/v1/WatchNodeRequest.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import { roleOf } from '../rpc/authorize-calls.js';
import { deviceToProto, engineToProto, nodeToProto, nodeUpdateToProto } from '../rpc/node-state-proto.js';
import type { Logger } from '../runtime/logger.js';
import { engineCalls, type EngineControl } from './engine-calls.js';
import { createHealthCalls, type DriverControl, type FaultDesk } from './health-calls.js';
import type { NodeMetrics } from './node-metrics.js';
import { answerPlan } from './plan-call.js';
import type { NodeStatePublisher, Subscription } from './publish-node-state.js';
import { reportWorkWith } from './report-work.js';
import type { ReportedWork } from './reported-work.js';

/** The owner of the devices' cordons. `device` is a UUID or an index. */
export interface DeviceControl {
  cordonDevice(device: string, holder: string, reason: string): Promise<DeviceStatus>;
  uncordonDevice(device: string, holder: string): Promise<DeviceStatus>;
}

export interface NodeServiceOptions {
  publisher: Pick<NodeStatePublisher, 'state' | 'agentVersion' | 'subscribe'>;
  engines: EngineControl;
  devices: DeviceControl;
  work: Pick<ReportedWork, 'open'>;
  faults: FaultDesk;
  driver: DriverControl;
  metrics: NodeMetrics;
  logger: Logger;
}

const maxReasonLength = 512;

export function createNodeService(options: NodeServiceOptions): NodeServiceHandlers {
  const { publisher, devices, faults, driver, metrics } = options;
  const unary = unaryWith(options);

  /** `stale-epoch` when the caller speaks to an agent process that is gone. */
  const guard = (expectedEpoch: string): void => {
    const { epoch } = publisher.state;
    if (expectedEpoch !== '' && expectedEpoch !== epoch)
      throw new InfernodeError('stale-epoch', `expected epoch ${expectedEpoch}, the agent's is ${epoch}`);
  };

  return {
    GetNode: unary('GetNode', () => nodeToProto(publisher.state, publisher.agentVersion)),

    WatchNode: watchWith(options),

    ReportWork: reportWorkWith(options),

    ListEngines: unary('ListEngines', () => ({ engines: publisher.state.engines.map(engineToProto) })),

    Plan: unary('Plan', (wish) => answerPlan(options.engines, wish)),

    ...engineCalls(options, unary, guard),

    CordonDevice: unary('CordonDevice', async ({ device, holder, reason, expectedEpoch }) => {
      guard(expectedEpoch);
      const owner = requireHolder(holder);
      if (owner.startsWith('health:'))
        throw new InfernodeError(
          'argument-invalid',
          `expected a holder that is not the agent's own health, got "${owner}"; use operator:<name>`,
        );
      return deviceToProto(
        await devices.cordonDevice(requireDevice(device), owner, reason.slice(0, maxReasonLength)),
      );
    }),

    UncordonDevice: unary('UncordonDevice', async ({ device, holder, expectedEpoch }) => {
      guard(expectedEpoch);
      return deviceToProto(await devices.uncordonDevice(requireDevice(device), requireHolder(holder)));
    }),

    ...createHealthCalls({ publisher, faults, driver, metrics, unary, guard, requireHolder }),
  };
}

function requireDevice(device: string): string {
  if (device === '')
    throw new InfernodeError('argument-invalid', 'expected device to be a UUID or an index, got ""');
  return device;
}

function requireHolder(holder: string): string {
  const owner = holder === '' ? 'operator:remote' : holder;
  if (!cordonHolderPattern.test(owner))
    throw new InfernodeError(
      'argument-invalid',
      `expected holder to be operator:<name>, kubernetes, driver-release or health:<check>, got "${owner.slice(0, 80)}"`,
    );
  return owner;
}

/** A handler from a function: whatever it throws becomes a status with a reason, counted and logged once. */
function unaryWith({ metrics, logger }: Pick<NodeServiceOptions, 'metrics' | 'logger'>) {
  return <Request, Response>(method: string, handle: (request: Request) => Response | Promise<Response>) =>
    (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      void (async () => {
        try {
          callback(null, await handle(call.request));
        } catch (thrown) {
          const error = toServiceError(thrown);
          const reason = reasonOf(error) ?? 'internal';
          metrics.rpcErrors.inc({ method, reason });
          if (reason === 'internal') logger.error({ err: thrown, method }, 'call failed');
          else logger.info({ method, reason, details: error.details }, 'call refused');
          callback(error);
        }
      })();
    };
}

function watchWith({
  publisher,
  metrics,
  logger,
}: NodeServiceOptions): handleServerStreamingCall<WatchNodeRequest__Output, NodeUpdate> {
  return (call) => {
    let subscription: Subscription | null = null;
    const stop = (): void => subscription?.cancel();
    call.on('cancelled', stop);
    call.on('close', stop);
    call.on('error', (error) => {
      logger.debug({ err: error }, 'WatchNode stream ended with an error');
      stop();
    });
    call.on('drain', () => subscription?.drained());
    // Whoever may only look gets no key of an engine.
    const withKeys = roleOf(call.metadata) !== 'viewer';
    try {
      subscription = publisher.subscribe(
        { write: (update) => call.write(nodeUpdateToProto(update, { withKeys })), end: () => call.end() },
        call.request.coordinator,
      );
    } catch (thrown) {
      const error = toServiceError(thrown);
      metrics.rpcErrors.inc({ method: 'WatchNode', reason: reasonOf(error) ?? 'internal' });
      call.emit('error', error);
    }
    // Cancelled before the subscription existed.
    if (call.cancelled) stop();
  };
}
