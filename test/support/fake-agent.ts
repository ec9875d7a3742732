/** An agent that says what a test tells it to, over real gRPC on a free port; typed from the generated service. */
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import type { NodeState, NodeStateDelta, NodeStateUpdate } from '../../src/domain/node-state.js';
import type { NodeServiceHandlers } from '../../src/rpc/generated/infernode/node/v1/NodeService.js';
import type { NodeUpdate } from '../../src/rpc/generated/infernode/node/v1/NodeUpdate.js';
import type { WatchNodeRequest__Output } from '../../src/rpc/generated/infernode/node/v1/WatchNodeRequest.js';
import { nodeProto } from '../../src/rpc/node-package.js';
import { nodeUpdateToProto } from '../../src/rpc/node-state-proto.js';

type WatchCall = ServerWritableStream<WatchNodeRequest__Output, NodeUpdate>;
type ScalingHandler = (
  call: { request: { engineId: string; expectedEpoch: string } },
  callback: (error: null, value: { id: string }) => void,
) => void;
type Change = Partial<Pick<NodeStateDelta, 'driver' | 'cordons' | 'devices' | 'engines'>> & {
  removedDevices?: string[];
  removedEngines?: string[];
};

export function aNodeState(overrides: Partial<NodeState> = {}): NodeState {
  return {
    node: 'gpu-a',
    machineId: 'machine-a',
    epoch: 'e1',
    revision: 1,
    driver: { state: 'ok', driverVersion: '580.65.06', nvmlVersion: '13' },
    cordons: [],
    conditions: [],
    unsupportedChecks: [],
    devices: [],
    engines: [],
    ...overrides,
  };
}

export class FakeAgent {
  state: NodeState;
  /** WatchNode calls so far. */
  watches = 0;
  /** Says nothing to those who watch anew. */
  mute = false;
  address = '';
  /** Calls that scale, in order; each is answered and changes nothing. */
  readonly asked: { call: string; engineId: string; expectedEpoch: string }[] = [];
  #server: Server | null = null;
  readonly #calls = new Set<WatchCall>();
  #onWatch: (() => void)[] = [];

  constructor(state: Partial<NodeState> = {}) {
    this.state = aNodeState(state);
  }

  /** On the address of before, if it had one. */
  async start(): Promise<this> {
    const server = new Server();
    const noted =
      (call: string): ScalingHandler =>
      ({ request: { engineId, expectedEpoch } }, callback) => {
        this.asked.push({ call, engineId, expectedEpoch });
        callback(null, { id: engineId });
      };
    const handlers = {
      WatchNode: (call: WatchCall) => this.#watch(call),
      WakeEngine: noted('WakeEngine'),
      StartEngine: noted('StartEngine'),
      SleepEngine: noted('SleepEngine'),
      DrainEngine: noted('DrainEngine'),
    } satisfies Partial<NodeServiceHandlers>;
    server.addService(nodeProto.NodeService.service, handlers);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(this.address || '127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    return this;
  }

  /** As a machine that loses power. */
  stop(): void {
    this.#calls.clear();
    this.#server?.forceShutdown();
    this.#server = null;
  }

  /** Resolves when somebody watches, or watches anew after `count` watches. */
  async watched(count = 1): Promise<void> {
    while (this.watches < count) await new Promise<void>((resolve) => this.#onWatch.push(resolve));
  }

  /** Changes the state and tells it as the next revision. */
  change(change: Change): void {
    const { revision, epoch } = this.state;
    const delta: NodeStateDelta = {
      epoch,
      baseRevision: revision,
      revision: revision + 1,
      driver: null,
      cordons: null,
      conditions: null,
      unsupportedChecks: null,
      devices: [],
      engines: [],
      removedDevices: [],
      removedEngines: [],
      ...change,
    };
    this.#remember(delta);
    this.send({ kind: 'delta', delta });
  }

  /** Changes the state and tells nobody: the next delta leaves a gap. */
  changeSilently(change: Partial<NodeState>): void {
    this.state = { ...this.state, ...change, revision: this.state.revision + 1 };
  }

  beat(): void {
    this.send({ kind: 'heartbeat', epoch: this.state.epoch, revision: this.state.revision });
  }

  send(update: NodeStateUpdate): void {
    for (const call of this.#calls) call.write(nodeUpdateToProto(update));
  }

  endStreams(): void {
    for (const call of this.#calls) call.end();
    this.#calls.clear();
  }

  #remember(delta: NodeStateDelta): void {
    const { devices, engines } = this.state;
    this.state = {
      ...this.state,
      revision: delta.revision,
      cordons: delta.cordons ?? this.state.cordons,
      devices: replace(devices, delta.devices, delta.removedDevices, (device) => device.identity.uuid),
      engines: replace(engines, delta.engines, delta.removedEngines, (engine) => engine.id),
    };
  }

  #watch(call: WatchCall): void {
    this.watches += 1;
    this.#calls.add(call);
    call.on('cancelled', () => this.#calls.delete(call));
    call.on('error', () => this.#calls.delete(call));
    if (!this.mute)
      call.write(nodeUpdateToProto({ kind: 'snapshot', state: this.state, agentVersion: '1.2.3' }));
    for (const resolve of this.#onWatch.splice(0)) resolve();
  }
}

function replace<T>(items: T[], changed: T[], removed: string[], keyOf: (item: T) => string): T[] {
  const gone = new Set([...removed, ...changed.map(keyOf)]);
  return [...items.filter((item) => !gone.has(keyOf(item))), ...changed];
}
