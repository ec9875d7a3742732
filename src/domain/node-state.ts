import type { Cordon } from './cordon.js';
import type { DeviceStatus, DriverState } from './device.js';
import type { EngineStatus } from './engine.js';

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
  devices: DeviceStatus[];
  engines: EngineStatus[];
}
