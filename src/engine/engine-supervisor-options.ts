import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineStatus } from '../domain/engine.js';
import type { DeviceChoice } from './choose-devices.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRecord, EngineStore } from './engine-record.js';

export interface EngineSupervisorOptions {
  id: string;
  context: EngineContext;
  store: EngineStore;
  record: EngineRecord;
  template: () => TemplateConfig;
  /** Devices for a start now, or why there can be none. */
  chooseDevices: () => DeviceChoice;
  onChange: (status: EngineStatus) => void;
}
