/** The endpoints that a node's state amounts to: each engine with everything that speaks for or against using it. */
import type { DeviceStatus } from '../domain/device.js';
import type { EndpointState } from '../domain/endpoint.js';
import { defaultMaxConcurrentRequests, type EngineLoad, type EngineStatus } from '../domain/engine.js';
import { worseHealth, type DeviceHealth } from '../domain/health.js';
import type { NodeState } from '../domain/node-state.js';
import type { UrlJudge } from './engine-address.js';

/** Block size of placement's chains and capacities, tokens. */
const placementBlockTokens = 512;

/** How the node's word reaches us; it colours every endpoint of the node alike. */
export interface NodeView {
  nodeSilent: boolean;
  /** Where engines of this agent may be. */
  judgeUrl: UrlJudge;
}

export function endpointsOf(state: NodeState, { nodeSilent, judgeUrl }: NodeView): EndpointState[] {
  const devices = new Map(state.devices.map((device) => [device.identity.uuid, device]));
  return state.engines.map((engine) => {
    // Before its first start an engine has no address; that is no fault.
    const unusable = engine.state === 'ready' ? (judgeUrl(engine.url) ?? keyWithheld(engine)) : null;
    const used = engine.deviceUuids.map((uuid) => devices.get(uuid) ?? uuid);
    return {
      id: `${state.node}/${engine.id}`,
      node: state.node,
      engineId: engine.id,
      incarnation: engine.incarnation,
      url: engine.url,
      ...(engine.apiKey === undefined ? {} : { apiKey: engine.apiKey }),
      servedModels: engine.servedModels,
      engineState: unusable === null ? engine.state : 'failed',
      engineReason: unusable ?? engine.reason,
      cordonHolders: cordonHolders(state, engine, used),
      ...worstDevice(used),
      evicting: engine.evicting,
      nodeSilent,
      capacityBlocks: capacityBlocks(engine.load),
      pressure: engine.pressure ?? [],
      maxConcurrent: engine.maxConcurrentRequests ?? defaultMaxConcurrentRequests,
    };
  });
}

/** Without it every request would end with a bare 401 of the engine. */
function keyWithheld({ keyRequired, apiKey }: EngineStatus): string | null {
  return keyRequired && apiKey === undefined
    ? 'key-required: it wants a key, and its agent tells keys to scalers and operators only; give this coordinator the role scaler there (tls.roles, or the role of its token)'
    : null;
}

/** A device that the node does not list is given by its UUID. */
type UsedDevice = DeviceStatus | string;

function cordonHolders(state: NodeState, engine: EngineStatus, used: UsedDevice[]): string[] {
  const onDevices = used.flatMap((device) => (typeof device === 'string' ? [] : device.cordons));
  const holders = [...state.cordons, ...onDevices, ...engine.cordons].map(({ holder }) => holder);
  return [...new Set(holders)];
}

function worstDevice(used: UsedDevice[]): { deviceHealth: DeviceHealth; deviceReason: string } {
  let [deviceHealth, deviceReason]: [DeviceHealth, string] = ['healthy', ''];
  for (const device of used) {
    const [health, reason]: [DeviceHealth, string] =
      typeof device === 'string'
        ? ['unknown', `${device} is not among the devices of its node`]
        : [device.health, device.reason];
    if (health === 'healthy' || worseHealth(deviceHealth, health) === deviceHealth) continue;
    [deviceHealth, deviceReason] = [health, reason];
  }
  return { deviceHealth, deviceReason };
}

function capacityBlocks(load: EngineLoad | null): number | null {
  const { kvCacheBlocks = null, kvBlockTokens = null } = load ?? {};
  if (kvCacheBlocks === null || kvBlockTokens === null) return null;
  return Math.floor((kvCacheBlocks * kvBlockTokens) / placementBlockTokens);
}

/** Says whether placement and gateway would notice a difference; readings that change each second are not in it. */
export function sameEndpoint(a: EndpointState, b: EndpointState): boolean {
  return (Object.keys(a) as (keyof EndpointState)[]).every((key) => sameValue(a[key], b[key]));
}

function sameValue(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
