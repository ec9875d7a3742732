/**
 * The one mapping between the domain's words and the messages of `node.proto`; the agent writes with it and the
 * coordinator and the CLI read with it, so that the two cannot drift. Reading is lenient: a word that a newer agent
 * may send falls back to the most careful one we know, because a coordinator must survive an agent upgrade.
 *
 * Not on the wire, and therefore `null` after reading: minor number, and the readings that routing does not need.
 */
import type { Cordon as DomainCordon } from '../domain/cordon.js';
import {
  emptyReading,
  type DeviceReading as DomainReading,
  type DeviceStatus,
  type DriverState,
} from '../domain/device.js';
import { engineStates, type EngineStatus } from '../domain/engine.js';
import {
  actionLadder,
  deviceHealthStates,
  type Condition as DomainCondition,
  type Severity,
} from '../domain/health.js';
import type { NodeState, NodeStateDelta, NodeStateUpdate } from '../domain/node-state.js';
import { deathFromProto, deathToProto } from './engine-death-proto.js';
import type { Condition, Condition__Output } from './generated/infernode/node/v1/Condition.js';
import type { Device, Device__Output } from './generated/infernode/node/v1/Device.js';
import type { DeviceReading, DeviceReading__Output } from './generated/infernode/node/v1/DeviceReading.js';
import type { Driver, Driver__Output } from './generated/infernode/node/v1/Driver.js';
import type { Engine, Engine__Output } from './generated/infernode/node/v1/Engine.js';
import type { Node, Node__Output } from './generated/infernode/node/v1/Node.js';
import type { NodeDelta, NodeDelta__Output } from './generated/infernode/node/v1/NodeDelta.js';
import type { NodeUpdate, NodeUpdate__Output } from './generated/infernode/node/v1/NodeUpdate.js';
import type { Cordon__Output } from './generated/infernode/node/v1/Cordon.js';
import {
  graphsFromProto,
  loadFromProto,
  loadToProto,
  pressureOf,
  progressFromProto,
  progressToProto,
  standbyOf,
} from './engine-parts-proto.js';
import { oneOf } from './one-of.js';
import { workUpdateFromProto, workUpdateToProto } from './work-proto.js';

export const severities: readonly Severity[] = ['info', 'warning', 'critical', 'fatal'];
const driverFailures = [
  'library-absent',
  'library-unusable',
  'init-failed',
  'no-device',
  'released',
] as const;

// --- writing ---

/** Writes one engine; which one decides whether the key goes along. */
type EngineWriter = (engine: EngineStatus) => Engine;

export function nodeToProto(
  state: NodeState,
  agentVersion: string,
  writeEngine: EngineWriter = engineToProto,
): Node {
  return {
    name: state.node,
    machineId: state.machineId,
    epoch: state.epoch,
    revision: String(state.revision),
    driver: driverToProto(state.driver),
    cordons: state.cordons.map(cordonToProto),
    conditions: state.conditions.map(conditionToProto),
    unsupportedChecks: [...state.unsupportedChecks],
    devices: state.devices.map(deviceToProto),
    engines: state.engines.map(writeEngine),
    agentVersion,
  };
}

export function nodeDeltaToProto(
  delta: NodeStateDelta,
  writeEngine: EngineWriter = engineToProto,
): NodeDelta {
  return {
    epoch: delta.epoch,
    baseRevision: String(delta.baseRevision),
    revision: String(delta.revision),
    driver: delta.driver && driverToProto(delta.driver),
    cordons: delta.cordons && { cordons: delta.cordons.map(cordonToProto) },
    conditions: delta.conditions && { conditions: delta.conditions.map(conditionToProto) },
    unsupportedChecks: delta.unsupportedChecks && { checks: [...delta.unsupportedChecks] },
    devices: delta.devices.map(deviceToProto),
    removedDevices: delta.removedDevices,
    engines: delta.engines.map(writeEngine),
    removedEngines: delta.removedEngines,
  };
}

/** `withKeys`: for a reader who may send requests to the engines. */
export function nodeUpdateToProto(update: NodeStateUpdate, { withKeys = false } = {}): NodeUpdate {
  const writeEngine: EngineWriter = withKeys
    ? (engine) => ({ ...engineToProto(engine), apiKey: engine.apiKey })
    : engineToProto;
  switch (update.kind) {
    case 'snapshot':
      return { snapshot: nodeToProto(update.state, update.agentVersion, writeEngine) };
    case 'delta':
      return { delta: nodeDeltaToProto(update.delta, writeEngine) };
    case 'heartbeat':
      return { heartbeat: { epoch: update.epoch, revision: String(update.revision) } };
    case 'work':
      return { work: workUpdateToProto(update.update) };
  }
}

export function deviceToProto(device: DeviceStatus): Device {
  const { identity } = device;
  return {
    uuid: identity.uuid,
    index: identity.index,
    name: identity.name,
    serial: identity.serial ?? '',
    pciBusId: identity.pciBusId,
    health: device.health,
    healthSinceUnixMs: device.healthSinceMs,
    severity: device.severity ?? '',
    action: device.action,
    reason: device.reason,
    conditions: device.conditions.map(conditionToProto),
    cordons: device.cordons.map(cordonToProto),
    reading: readingToProto(device.reading),
    sampleAgeMs: device.sampleAgeMs,
    unsupportedChecks: [...(device.unsupportedChecks ?? [])],
    instances: device.instances?.map((instance) => ({ ...instance })) ?? [],
  };
}

export function engineToProto(engine: EngineStatus): Engine {
  return {
    id: engine.id,
    origin: engine.origin,
    template: engine.template ?? '',
    state: engine.state,
    reason: engine.reason,
    stateSinceUnixMs: engine.stateSinceMs,
    servedModels: engine.servedModels,
    url: engine.url,
    keyRequired: engine.apiKey !== undefined || engine.keyRequired === true,
    deviceUuids: engine.deviceUuids,
    incarnation: engine.incarnation,
    pid: engine.pid ?? 0,
    cordons: engine.cordons.map(cordonToProto),
    evicting: engine.evicting,
    restarts: engine.restarts,
    load: engine.load && loadToProto(engine.load),
    maxConcurrentRequests: engine.maxConcurrentRequests ?? 0,
    ...(engine.progress ? { progress: progressToProto(engine.progress) } : {}),
    ...(engine.graphs ? { graphs: engine.graphs } : {}),
    lastDeath: engine.lastDeath ? deathToProto(engine.lastDeath) : null,
    crashLoop: engine.crashLoop ?? false,
    standby: engine.standby ?? '',
    pressure: engine.pressure ?? [],
    degraded: engine.degraded ?? [],
  };
}

export function driverToProto(driver: DriverState): Driver {
  return driver.state === 'ok'
    ? { state: 'ok', driverVersion: driver.driverVersion, nvmlVersion: driver.nvmlVersion }
    : { state: driver.state, reason: driver.reason };
}

function cordonToProto({ holder, reason, sinceMs }: DomainCordon) {
  return { holder, reason, sinceUnixMs: sinceMs };
}

export function conditionToProto(condition: DomainCondition): Condition {
  const { check, part = '', severity, action, advice, reason, sinceMs, drill = false } = condition;
  return { check, part, severity, action, advice: advice ?? '', reason, sinceUnixMs: sinceMs, drill };
}

/** `undefined` leaves an optional field unset; `null` would too, but the generated types do not allow it. */
function readingToProto(reading: DomainReading): DeviceReading {
  return {
    temperatureCelsius: reading.temperatureCelsius ?? undefined,
    powerWatts: reading.powerWatts ?? undefined,
    gpuUtilizationRatio: reading.gpuUtilizationRatio ?? undefined,
    memoryTotalBytes: reading.memoryTotalBytes ?? undefined,
    memoryUsedBytes: reading.memoryUsedBytes ?? undefined,
    memoryFreeBytes: reading.memoryFreeBytes ?? undefined,
  };
}

// --- reading ---

export function nodeFromProto(node: Node__Output): NodeState {
  return {
    node: node.name,
    machineId: node.machineId,
    epoch: node.epoch,
    revision: Number(node.revision),
    driver: driverFromProto(node.driver),
    cordons: node.cordons.map(cordonFromProto),
    conditions: node.conditions.map(conditionFromProto),
    unsupportedChecks: node.unsupportedChecks,
    devices: node.devices.map(deviceFromProto),
    engines: node.engines.map(engineFromProto),
  };
}

export function nodeDeltaFromProto(delta: NodeDelta__Output): NodeStateDelta {
  return {
    epoch: delta.epoch,
    baseRevision: Number(delta.baseRevision),
    revision: Number(delta.revision),
    driver: delta.driver && driverFromProto(delta.driver),
    cordons: delta.cordons && delta.cordons.cordons.map(cordonFromProto),
    conditions: delta.conditions && delta.conditions.conditions.map(conditionFromProto),
    unsupportedChecks: delta.unsupportedChecks && delta.unsupportedChecks.checks,
    devices: delta.devices.map(deviceFromProto),
    removedDevices: delta.removedDevices,
    engines: delta.engines.map(engineFromProto),
    removedEngines: delta.removedEngines,
  };
}

/** `null` for an update of a kind that this version does not know; the stream goes on. */
export function nodeUpdateFromProto(update: NodeUpdate__Output): NodeStateUpdate | null {
  if (update.snapshot)
    return {
      kind: 'snapshot',
      state: nodeFromProto(update.snapshot),
      agentVersion: update.snapshot.agentVersion,
    };
  if (update.delta) return { kind: 'delta', delta: nodeDeltaFromProto(update.delta) };
  if (update.work) return { kind: 'work', update: workUpdateFromProto(update.work) };
  if (update.heartbeat)
    return {
      kind: 'heartbeat',
      epoch: update.heartbeat.epoch,
      revision: Number(update.heartbeat.revision),
    };
  return null;
}

export function deviceFromProto(device: Device__Output): DeviceStatus {
  return {
    identity: {
      uuid: device.uuid,
      index: device.index,
      name: device.name,
      serial: device.serial || null,
      pciBusId: device.pciBusId,
      minorNumber: null,
    },
    health: oneOf(deviceHealthStates, device.health, 'unknown'),
    healthSinceMs: device.healthSinceUnixMs,
    severity: device.severity === '' ? null : oneOf(severities, device.severity, 'warning'),
    action: oneOf(actionLadder, device.action, 'none'),
    reason: device.reason,
    conditions: device.conditions.map(conditionFromProto),
    cordons: device.cordons.map(cordonFromProto),
    reading: readingFromProto(device.reading),
    sampleAgeMs: device.sampleAgeMs,
    unsupportedChecks: device.unsupportedChecks,
    ...(device.instances.length > 0
      ? {
          instances: device.instances.map((instance) => ({
            ...instance,
            health: oneOf(deviceHealthStates, instance.health, 'unknown'),
          })),
        }
      : {}),
  };
}

export function engineFromProto(engine: Engine__Output): EngineStatus {
  return {
    id: engine.id,
    origin: oneOf(['supervised', 'attached'] as const, engine.origin, 'attached'),
    template: engine.template || null,
    // A state that we do not know takes no work.
    state: oneOf(engineStates, engine.state, 'failed'),
    reason: engine.reason,
    stateSinceMs: engine.stateSinceUnixMs,
    servedModels: engine.servedModels,
    url: engine.url,
    ...(engine.apiKey ? { apiKey: engine.apiKey } : {}),
    ...(engine.keyRequired ? { keyRequired: true } : {}),
    deviceUuids: engine.deviceUuids,
    incarnation: engine.incarnation,
    pid: engine.pid || null,
    cordons: engine.cordons.map(cordonFromProto),
    evicting: engine.evicting,
    restarts: engine.restarts,
    load: engine.load && loadFromProto(engine.load),
    ...(engine.progress ? { progress: progressFromProto(engine.progress) } : {}),
    ...(engine.graphs ? { graphs: graphsFromProto(engine.graphs) } : {}),
    ...(engine.lastDeath ? { lastDeath: deathFromProto(engine.lastDeath) } : {}),
    ...(engine.crashLoop ? { crashLoop: true } : {}),
    ...standbyOf(engine.standby),
    ...pressureOf(engine),
    ...(engine.maxConcurrentRequests > 0 ? { maxConcurrentRequests: engine.maxConcurrentRequests } : {}),
  };
}

export function driverFromProto(driver: Driver__Output | null): DriverState {
  if (driver?.state === 'ok')
    return { state: 'ok', driverVersion: driver.driverVersion, nvmlVersion: driver.nvmlVersion };
  return {
    state: oneOf(driverFailures, driver?.state ?? '', 'init-failed'),
    reason: driver?.reason || `driver state "${driver?.state ?? ''}"`,
  };
}

function cordonFromProto({ holder, reason, sinceUnixMs }: Cordon__Output): DomainCordon {
  return { holder, reason, sinceMs: sinceUnixMs };
}

export function conditionFromProto(condition: Condition__Output): DomainCondition {
  return {
    check: condition.check,
    severity: oneOf(severities, condition.severity, 'warning'),
    action: oneOf(actionLadder, condition.action, 'none'),
    advice: condition.advice || null,
    reason: condition.reason,
    sinceMs: condition.sinceUnixMs,
    ...(condition.part ? { part: condition.part } : {}),
    ...(condition.drill ? { drill: true } : {}),
  };
}

function readingFromProto(reading: DeviceReading__Output | null): DomainReading {
  return {
    ...emptyReading,
    temperatureCelsius: reading?.temperatureCelsius ?? null,
    powerWatts: reading?.powerWatts ?? null,
    gpuUtilizationRatio: reading?.gpuUtilizationRatio ?? null,
    memoryTotalBytes: reading?.memoryTotalBytes ?? null,
    memoryUsedBytes: reading?.memoryUsedBytes ?? null,
    memoryFreeBytes: reading?.memoryFreeBytes ?? null,
  };
}
