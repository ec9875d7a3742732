/**
 * The client of an agent's NodeService, for the coordinator and the CLI: domain types in and out, a deadline on every
 * call, errors as `InfernodeError` with the agent's own reason code. It does not reconnect a broken watch: only the
 * caller knows what a silent node means and how long to wait.
 */
import type { ServiceError } from '@grpc/grpc-js';
import type { ClientTlsConfig } from '../config/tls-config.js';
import type { DeviceStatus, DriverState } from '../domain/device.js';
import type { DeathRecord } from '../domain/engine-death.js';
import type { NodePlan, PlanWish } from '../domain/engine-plan.js';
import type { EngineStatus } from '../domain/engine.js';
import type { InfernodeError } from '../domain/error-codes.js';
import type { DeviceExplanation, Incident } from '../domain/history.js';
import type { NodeState } from '../domain/node-state.js';
import { clientCredentials } from './credentials.js';
import { deathRecordFromProto } from './engine-death-proto.js';
import type { NodeServiceClient as Stub } from './generated/infernode/node/v1/NodeService.js';
import { nodeProto } from './node-package.js';
import type { HistoryEntry__Output } from './generated/infernode/node/v1/HistoryEntry.js';
import type { ListConditionsResponse__Output } from './generated/infernode/node/v1/ListConditionsResponse.js';
import {
  conditionsFromProto,
  explanationFromProto,
  historyFromProto,
  incidentFromProto,
  type DeviceCondition,
} from './history-proto.js';
import {
  deviceFromProto,
  driverFromProto,
  engineFromProto,
  nodeFromProto,
  nodeUpdateFromProto,
} from './node-state-proto.js';
import {
  StreamReader,
  type NodeWatch,
  type WatchEventsListener,
  type WatchNodeListener,
  type WorkReportListener,
  type WorkReportStream,
} from './node-streams.js';
import { callError, unaryCall } from './unary-call.js';
import { workReportToProto } from './work-proto.js';

export interface NodeServiceClientOptions {
  /** `HOST:PORT` of the agent's control listener. */
  address: string;
  tls?: ClientTlsConfig;
  /** Limit of one unary call, ms. */
  deadlineMs?: number;
}

export interface EngineCall {
  engineId: string;
  /** When set, the agent answers `stale-epoch` unless it is its own. */
  expectedEpoch?: string;
}

export interface DeviceCall {
  /** UUID or index. */
  device: string;
  /** `operator:<name>`, ...; the agent takes `operator:remote` when empty. */
  holder?: string;
  expectedEpoch?: string;
}

const defaultDeadlineMs = 10_000;
const releaseDeadlineMs = 10 * 60_000;

/** A drain or a stop answers when it has begun, so one short deadline fits every call. */
const channelOptions = {
  // Agents are on the cluster's own network; a proxy for the outside world must not see their state.
  'grpc.enable_http_proxy': 0,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  // Nobody asks for these traces; a coordinator before a thousand agents would keep a thousand of them.
  'grpc.enable_channelz': 0,
};

export class NodeServiceClient {
  readonly address: string;
  readonly #stub: Stub;
  readonly #deadlineMs: number;

  constructor({ address, tls, deadlineMs = defaultDeadlineMs }: NodeServiceClientOptions) {
    const { credentials, options } = clientCredentials(tls);
    this.address = address;
    this.#deadlineMs = deadlineMs;
    this.#stub = new nodeProto.NodeService(address, credentials, { ...channelOptions, ...options });
  }

  async getNode(): Promise<{ state: NodeState; agentVersion: string }> {
    const node = await this.#call<Parameters<typeof nodeFromProto>[0]>((options, done) =>
      this.#stub.getNode({}, options, done),
    );
    return { state: nodeFromProto(node), agentVersion: node.agentVersion };
  }

  async listEngines(): Promise<EngineStatus[]> {
    const { engines } = await this.#call<{ engines: Parameters<typeof engineFromProto>[0][] }>(
      (options, done) => this.#stub.listEngines({}, options, done),
    );
    return engines.map(engineFromProto);
  }

  async startEngine(call: EngineCall & { template?: string; devices?: string[] }): Promise<EngineStatus> {
    return engineFromProto(await this.#call((options, done) => this.#stub.startEngine(call, options, done)));
  }

  async stopEngine(call: EngineCall): Promise<EngineStatus> {
    return engineFromProto(await this.#call((options, done) => this.#stub.stopEngine(call, options, done)));
  }

  /** For the node's own GPUs; members that are left out are the planner's choice. */
  plan(wish: Partial<PlanWish> & Pick<PlanWish, 'model'>): Promise<NodePlan> {
    return this.#call((options, done) => this.#stub.plan(wish, options, done));
  }

  /** `deadlineMs` 0 takes the template's. */
  async drainEngine(call: EngineCall & { deadlineMs?: number }): Promise<EngineStatus> {
    return engineFromProto(await this.#call((options, done) => this.#stub.drainEngine(call, options, done)));
  }

  async restartEngine(call: EngineCall & { deadlineMs?: number }): Promise<EngineStatus> {
    return engineFromProto(
      await this.#call((options, done) => this.#stub.restartEngine(call, options, done)),
    );
  }

  /** `level` 0 takes the template's. */
  async sleepEngine(call: EngineCall & { level?: number }): Promise<EngineStatus> {
    return engineFromProto(await this.#call((options, done) => this.#stub.sleepEngine(call, options, done)));
  }

  async wakeEngine(call: EngineCall): Promise<EngineStatus> {
    return engineFromProto(await this.#call((options, done) => this.#stub.wakeEngine(call, options, done)));
  }

  /** Newest first. */
  async explainEngine(call: { engineId: string; limit?: number }): Promise<DeathRecord[]> {
    const { deaths } = await this.#call<{ deaths: Parameters<typeof deathRecordFromProto>[0][] }>(
      (options, done) => this.#stub.explainEngine(call, options, done),
    );
    return deaths.map(deathRecordFromProto);
  }

  /** Resolves when the log has been told, with `follow` when the agent or the signal ends it. */
  tailEngineLog(
    call: { engineId: string; incarnation?: number; tailBytes?: number; follow?: boolean },
    onText: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#stub.tailEngineLog(call);
      signal?.addEventListener('abort', () => stream.cancel(), { once: true });
      stream.on('data', ({ text }: { text: string }) => onText(text));
      stream.on('end', resolve);
      stream.on('error', (error) =>
        signal?.aborted ? resolve() : reject(this.#toError(error as ServiceError)),
      );
    });
  }

  async cordonDevice(call: DeviceCall & { reason?: string }): Promise<DeviceStatus> {
    return deviceFromProto(await this.#call((options, done) => this.#stub.cordonDevice(call, options, done)));
  }

  async uncordonDevice(call: DeviceCall): Promise<DeviceStatus> {
    return deviceFromProto(
      await this.#call((options, done) => this.#stub.uncordonDevice(call, options, done)),
    );
  }

  /** Conditions that fire, of the node (`device` empty) and its devices. */
  async listConditions(): Promise<DeviceCondition[]> {
    const response = await this.#call<ListConditionsResponse__Output>((options, done) =>
      this.#stub.listConditions({}, options, done),
    );
    return conditionsFromProto(response);
  }

  /** Checks of the node as a whole that have no source on its host. */
  async unsupportedNodeChecks(): Promise<string[]> {
    const response = await this.#call<ListConditionsResponse__Output>((options, done) =>
      this.#stub.listConditions({}, options, done),
    );
    return response.unsupportedNodeChecks;
  }

  /** `device`: UUID or index; empty for the node. Answers with what still fires. */
  async acknowledgeCondition(call: DeviceCall & { check: string }): Promise<DeviceCondition[]> {
    const response = await this.#call<ListConditionsResponse__Output>((options, done) =>
      this.#stub.acknowledgeCondition(call, options, done),
    );
    return conditionsFromProto(response);
  }

  async getIncident(id: string): Promise<Incident> {
    return incidentFromProto(
      await this.#call((options, done) => this.#stub.getIncident({ id }, options, done)),
    );
  }

  async explainDevice(device: string): Promise<DeviceExplanation> {
    return explanationFromProto(
      await this.#call((options, done) => this.#stub.explainDevice({ device }, options, done)),
    );
  }

  /** Entries after that number, oldest first; with `follow` until it is cancelled. */
  watchEvents(request: { afterSeq: number; follow: boolean }, listener: WatchEventsListener): NodeWatch {
    return new StreamReader<HistoryEntry__Output>(
      this.#stub.watchEvents({ afterSeq: String(request.afterSeq), follow: request.follow }),
      {
        message: (entry) => listener.onEntry(historyFromProto(entry)),
        end: (error) => listener.onEnd(error),
      },
      (error) => this.#toError(error),
    );
  }

  /** Answers when the driver is closed; draining may take long, so that the deadline is the drain's and a minute more. */
  async releaseDriver(drainDeadlineMs = 0): Promise<DriverState> {
    return driverFromProto(
      await this.#call(
        (options, done) => this.#stub.releaseDriver({ drainDeadlineMs }, options, done),
        drainDeadlineMs + releaseDeadlineMs,
      ),
    );
  }

  async acquireDriver(): Promise<DriverState> {
    return driverFromProto(
      await this.#call((options, done) => this.#stub.acquireDriver({}, options, done), releaseDeadlineMs),
    );
  }

  /** `coordinator`: the caller's epoch, to hear of the work that others have in flight. */
  watchNode(listener: WatchNodeListener, coordinator = ''): NodeWatch {
    // No waitForReady: a node that cannot be reached must be said at once, not after a silence.
    return new StreamReader<Parameters<typeof nodeUpdateFromProto>[0]>(
      this.#stub.watchNode({ coordinator }),
      {
        message: (message) => {
          const update = nodeUpdateFromProto(message);
          if (update) listener.onUpdate(update);
        },
        end: (error) => listener.onEnd(error),
      },
      (error) => this.#toError(error),
    );
  }

  reportWork(listener: WorkReportListener): WorkReportStream {
    const stream = this.#stub.reportWork();
    const reader = new StreamReader<{ sequence: number }>(
      stream,
      {
        message: ({ sequence }) => listener.onAck(sequence),
        drain: () => listener.onDrain(),
        end: (error) => listener.onEnd(error),
      },
      (error) => this.#toError(error),
    );
    return {
      write: (report) => reader.over || stream.write(workReportToProto(report)),
      cancel: () => reader.cancel(),
    };
  }

  /** Ends every call in flight. */
  close(): void {
    this.#stub.close();
  }

  #call<T>(invoke: Parameters<typeof unaryCall<T>>[2], deadlineMs = this.#deadlineMs): Promise<T> {
    return unaryCall(this.address, deadlineMs, invoke);
  }

  #toError(error: ServiceError): InfernodeError {
    return callError(this.address, error);
  }
}
