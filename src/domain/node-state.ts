import type { Cordon } from './cordon.js';
import type { DeviceStatus, DriverState } from './device.js';
import type { EngineStatus } from './engine.js';
import type { Condition } from './health.js';
import type { WorkUpdate } from './work.js';

/**
 * The whole truth of one node. `epoch` is random per agent process; within one epoch `revision` grows by one per
 * change, and a new epoch replaces the state instead of merging with it.
 */
export interface NodeState {
  node: string;
  machineId: string;
  epoch: string;
  revision: number;
  driver: DriverState;
  cordons: Cordon[];
  /** What is wrong with the node as a whole and with no device of its own. */
  conditions: Condition[];
  /** Checks of the node as a whole that have no source on this host: neither good nor bad. */
  unsupportedChecks: readonly string[];
  devices: DeviceStatus[];
  engines: EngineStatus[];
}

/**
 * What changed: whole objects, never single fields; `null` is "unchanged". `revision` is the newest one it contains:
 * for a slow reader several changes are merged into one delta, so that its revision may grow by more than one.
 */
export interface NodeStateDelta {
  epoch: string;
  /** The revision that this is a change of: a reader that holds another one has missed something. */
  baseRevision: number;
  revision: number;
  driver: DriverState | null;
  cordons: Cordon[] | null;
  conditions: Condition[] | null;
  unsupportedChecks: readonly string[] | null;
  devices: DeviceStatus[];
  /** UUIDs. */
  removedDevices: string[];
  engines: EngineStatus[];
  /** Engine ids. */
  removedEngines: string[];
}

/**
 * One message of a `WatchNode` stream: a snapshot first, then deltas, and a heartbeat each second. Coordinators also hear
 * of the work that others have in flight there.
 */
export type NodeStateUpdate =
  | { kind: 'snapshot'; state: NodeState; agentVersion: string }
  | { kind: 'delta'; delta: NodeStateDelta }
  | { kind: 'heartbeat'; epoch: string; revision: number }
  | { kind: 'work'; update: WorkUpdate };
