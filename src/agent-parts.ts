/** The two parts of the agent that own processes, as `agent.ts` sees them, and how the real ones are made. */
import type { Registry } from 'prom-client';
import type { AgentConfig } from './config/agent-config.js';
import type { DeviceEvent, DeviceStatus, NodeSample } from './domain/device.js';
import type { EngineStatus } from './domain/engine.js';
import { InfernodeError } from './domain/error-codes.js';
import type { Fault } from './domain/health.js';
import type { EngineControl } from './node/node-service.js';
import type { Clock } from './runtime/clock.js';
import type { Logger } from './runtime/logger.js';

export interface SamplerPart {
  onSample(callback: (sample: NodeSample) => void): void;
  onEvent(callback: (event: DeviceEvent) => void): void;
  latest(): NodeSample | null;
  start(): Promise<void>;
  close(): Promise<void>;
  destroy(reason: string): void;
}

export interface EngineFleetPart extends EngineControl {
  list(): EngineStatus[];
  onChange(callback: () => void): void;
  applyDeviceStatus(devices: DeviceStatus[]): void;
  applyFault(fault: Fault): void;
  updateTemplates(templates: AgentConfig['templates']): void;
  start(): Promise<void>;
  close(options: { stopEngines: boolean }): Promise<void>;
}

export interface SamplerOptions {
  config: AgentConfig;
  clock: Clock;
  logger: Logger;
  registry: Registry;
}

export interface EngineFleetPartOptions extends SamplerOptions {
  bootId: string;
  sampler: Pick<SamplerPart, 'latest'>;
  devices: () => readonly DeviceStatus[];
}

export interface AgentParts {
  createSampler(options: SamplerOptions): SamplerPart;
  createFleet(options: EngineFleetPartOptions): EngineFleetPart;
}

export function createAgentParts(): AgentParts {
  throw new InfernodeError('internal', 'the sampler and the engines are not wired yet');
}
