/** What is kept of an engine, brought together with what the configuration says of it now. */
import type { SupervisedEngineConfig, TemplateConfig } from '../config/agent-config.js';
import type { EngineRecord } from './engine-record.js';

export function recordOf(config: SupervisedEngineConfig, stored: EngineRecord | null): EngineRecord {
  const devices = config.devices.map(String);
  const standby = config.standby ?? null;
  // A cold standby is started by its promotion.
  const wanted = config.autostart && standby !== 'cold' ? 'running' : 'stopped';
  const fresh: EngineRecord = { ...emptyRecord(config.template, devices), wanted, standby };
  if (!stored) return fresh;
  // What was wanted of an engine outside the configuration says nothing about the one that is in it now.
  return {
    ...stored,
    template: config.template,
    devices,
    dynamic: false,
    standby,
    wanted: stored.dynamic ? wanted : stored.wanted,
  };
}

export function emptyRecord(template: string, devices: string[]): EngineRecord {
  return {
    template,
    devices,
    dynamic: false,
    wanted: 'running',
    incarnation: 0,
    restarts: 0,
    cordons: [],
    run: null,
  };
}

/** For an engine that outlived its configuration and is only to be ended. */
export function unknownTemplate(name: string): TemplateConfig {
  return {
    adapter: 'vllm',
    model: name,
    servedModelNames: [],
    command: ['vllm'],
    args: [],
    env: {},
    captureSizes: 'engine',
    gpus: 0,
    maxConcurrentRequests: 1,
    startTimeoutMs: 60_000,
    drainTimeoutMs: 0,
    stopGraceMs: 20_000,
    watchdogMs: 30_000,
    sleep: null,
    degradation: [],
  };
}
