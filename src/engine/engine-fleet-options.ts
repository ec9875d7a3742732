/** What an engine fleet is made of, and what a start through the API may say. */
import type { AgentConfig } from '../config/agent-config.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { EngineSettings } from './engine-context.js';
import type { EngineInputs } from './engine-inputs.js';
import type { EngineMetrics } from './engine-metrics.js';
import type { DevicesReleased } from './stop-engine.js';

export interface EngineFleetOptions {
  nodeName: string;
  templates: AgentConfig['templates'];
  engines: AgentConfig['engines'];
  stateDir: string;
  clock: Clock;
  logger: Logger;
  metrics: EngineMetrics;
  /** Path of infernode-keeper. */
  keeperPath: string;
  /** UUID of a device by UUID or index, `null` when the node does not know it. */
  resolveDevice: (ref: string) => string | null;
  /** UUIDs that may be given to new work: healthy and without cordon. */
  freeDevices: () => readonly string[];
  /** Does the driver show no memory of these processes on these devices? Asked repeatedly. */
  devicesReleased: DevicesReleased;
  /** Absent: nobody tells of work in flight and heartbeats, and engines are judged without them. */
  inputs?: Partial<Omit<EngineInputs, 'reading' | 'deviceName'>>;
  /** Pids in the driver's messages are pids as this process sees them. */
  seesHostPids?: boolean;
  bootId?: string;
  settings?: Partial<EngineSettings>;
}

export interface StartEngineRequest {
  engineId: string;
  /** Empty or absent: the engine's own. */
  template?: string;
  /** UUIDs or indices; empty or absent: the engine's own, else free ones. */
  devices?: readonly string[];
}
