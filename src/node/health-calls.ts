/** The calls of `NodeService` that ask about faults, and those that take or give back the driver. */
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import type { DriverState } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { Condition } from '../domain/health.js';
import type { DeviceExplanation, HistoryEntry, Incident } from '../domain/history.js';
import type { HistoryEntry as EntryMessage } from '../rpc/generated/infernode/node/v1/HistoryEntry.js';
import type { WatchEventsRequest__Output } from '../rpc/generated/infernode/node/v1/WatchEventsRequest.js';
import type { NodeServiceHandlers } from '../rpc/generated/infernode/node/v1/NodeService.js';
import { toServiceError } from '../rpc/grpc-status.js';
import { historyToProto, incidentToProto } from '../rpc/history-proto.js';
import { conditionToProto, deviceToProto, driverToProto, engineToProto } from '../rpc/node-state-proto.js';
import type { NodeMetrics } from './node-metrics.js';
import type { NodeStatePublisher } from './publish-node-state.js';

/** Whoever knows what happened and why. `device` is a UUID or an index, empty for the node. */
export interface FaultDesk {
  acknowledge(device: string, check: string, by: string): void;
  incident(id: string): Incident | null;
  /** Throws `device-unknown`. */
  explain(device: string): DeviceExplanation;
  /** Checks of the node as a whole that have no source here: neither good nor bad. */
  unsupportedNodeChecks(): readonly string[];
  /** Entries after that number, oldest first. */
  entriesAfter(seq: number, limit: number): HistoryEntry[];
  onEntry(listener: () => void): () => void;
}

/** Both answer when the driver is closed, or open again. */
export interface DriverControl {
  /** `null`: the templates' drain deadlines. */
  releaseDriver(drainDeadlineMs: number | null): Promise<DriverState>;
  acquireDriver(): Promise<DriverState>;
}

type Unary = <Request, Response>(
  method: string,
  handle: (request: Request) => Response | Promise<Response>,
) => (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => void;

type HealthCalls = Pick<
  NodeServiceHandlers,
  | 'ListConditions'
  | 'AcknowledgeCondition'
  | 'GetIncident'
  | 'ExplainDevice'
  | 'WatchEvents'
  | 'ReleaseDriver'
  | 'AcquireDriver'
>;

export interface HealthCallsOptions {
  publisher: Pick<NodeStatePublisher, 'state'>;
  faults: FaultDesk;
  driver: DriverControl;
  metrics: NodeMetrics;
  unary: Unary;
  /** Throws `stale-epoch`. */
  guard: (expectedEpoch: string) => void;
  /** Throws `argument-invalid`. */
  requireHolder: (holder: string) => string;
}

const maxEventWatchers = 64;
/** One write of a stream that catches up. */
const pageEntries = 256;

export function createHealthCalls(options: HealthCallsOptions): HealthCalls {
  const { publisher, faults, driver, unary, guard, requireHolder } = options;
  const conditions = () => ({
    conditions: conditionsOf(publisher.state),
    unsupportedNodeChecks: [...faults.unsupportedNodeChecks()],
  });
  let watchers = 0;

  return {
    ListConditions: unary('ListConditions', conditions),

    AcknowledgeCondition: unary('AcknowledgeCondition', ({ device, check, holder, expectedEpoch }) => {
      guard(expectedEpoch);
      if (check === '')
        throw new InfernodeError('argument-invalid', 'expected check to name a condition, got ""');
      faults.acknowledge(device, check, requireHolder(holder));
      return conditions();
    }),

    GetIncident: unary('GetIncident', ({ id }) => {
      const incident = faults.incident(id);
      if (!incident)
        throw new InfernodeError(
          'argument-invalid',
          `expected the id of an incident that is remembered, got "${id.slice(0, 80)}"`,
        );
      return incidentToProto(incident);
    }),

    ExplainDevice: unary('ExplainDevice', ({ device }) => {
      const { conditions: explained, history, engines, plan, pods, ...rest } = faults.explain(device);
      return {
        device: deviceToProto(rest.device),
        conditions: explained.map(({ condition, incident, ...words }) => ({
          ...words,
          condition: conditionToProto(condition),
          incident: incident ?? '',
        })),
        history: history.map(historyToProto),
        engines: engines.map(engineToProto),
        plan,
        pods,
      };
    }),

    WatchEvents: (call) => {
      if (watchers >= maxEventWatchers) {
        call.emit(
          'error',
          toServiceError(
            new InfernodeError(
              'queue-full',
              `expected at most ${maxEventWatchers} WatchEvents streams, got one more`,
            ),
          ),
        );
        return;
      }
      watchers += 1;
      streamEvents(call, faults, () => (watchers -= 1));
    },

    ReleaseDriver: unary('ReleaseDriver', async ({ drainDeadlineMs, expectedEpoch }) => {
      guard(expectedEpoch);
      return driverToProto(await driver.releaseDriver(drainDeadlineMs === 0 ? null : drainDeadlineMs));
    }),

    AcquireDriver: unary('AcquireDriver', async ({ expectedEpoch }) => {
      guard(expectedEpoch);
      return driverToProto(await driver.acquireDriver());
    }),
  };
}

function conditionsOf({ devices, conditions }: NodeStatePublisher['state']) {
  const row = (device: string, index: number) => (condition: Condition) => ({
    ...{ device, index },
    condition: conditionToProto(condition),
  });
  return [
    ...conditions.map(row('', 0)),
    ...devices.flatMap(({ identity, conditions: own }) => own.map(row(identity.uuid, identity.index))),
  ];
}

/** The history is the queue: a reader that is slow reads on from where it was, and what has left the memory by then is gone. */
function streamEvents(
  call: ServerWritableStream<WatchEventsRequest__Output, EntryMessage>,
  faults: FaultDesk,
  onEnd: () => void,
): void {
  let seq = Number(call.request.afterSeq) || 0;
  let ready = true;
  let ended = false;
  const write = (): void => {
    while (ready && !ended) {
      const entries = faults.entriesAfter(seq, pageEntries);
      if (entries.length === 0) break;
      for (const entry of entries) {
        seq = entry.seq;
        ready = call.write(historyToProto(entry));
        if (!ready) break;
      }
    }
    if (!ready || ended || call.request.follow) return;
    end();
    call.end();
  };
  const stop = faults.onEntry(write);
  /** Nothing is written from here on. */
  function end(): void {
    if (ended) return;
    ended = true;
    stop();
    onEnd();
  }
  for (const event of ['cancelled', 'close', 'error', 'finish'] as const) call.on(event, end);
  call.on('drain', () => {
    ready = true;
    write();
  });
  write();
  if (call.cancelled) end();
}
