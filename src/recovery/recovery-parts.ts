/** What recovery needs of the rest of the agent; `agent.ts` hands it in. */
import type { DeviceProcess, DeviceStatus, DriverState } from '../domain/device.js';
import type { EngineStatus } from '../domain/engine.js';
import type { HistoryNews } from '../domain/history.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';

export interface DriverHandle {
  /** Closes event sets, handles and NVML; throws when the driver is still held. */
  release(): Promise<void>;
  /** Opens the driver; resolves with what came of it. */
  acquire(): Promise<DriverState>;
  /** Who holds memory on the device now; `null` when the driver does not tell. */
  processesOf(uuid: string): Promise<DeviceProcess[] | null>;
}

export interface EngineHandles {
  list(): EngineStatus[];
  /** Begins; the list tells of its end. */
  drainEngine(engineId: string, deadlineMs: number | null): Promise<EngineStatus>;
  startEngine(request: { engineId: string; template: string; devices: string[] }): Promise<EngineStatus>;
}

export interface DeviceHandles {
  list(): readonly DeviceStatus[];
  cordon(uuid: string, holder: string, reason: string): void;
  uncordon(uuid: string, holder: string): void;
}

/** Is a device fit for work? Asked after a reset, before it is back in service. */
export type ActiveProbe = (uuid: string) => Promise<{ ok: boolean; reason: string }>;

export interface RecoveryParts {
  nodeName: string;
  driver: DriverHandle;
  engines: EngineHandles;
  devices: DeviceHandles;
  probe: ActiveProbe;
  note(news: HistoryNews): void;
  clock: Clock;
  logger: Logger;
}
