// Pressure of one engine and what it gives up for it: limits with hysteresis, steps in the template's order that hold from
// the next start on, taken back in the opposite order, kept on disk.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentSchema, type TemplateConfig } from '../../../src/config/agent-config.js';
import type { DeviceReading } from '../../../src/domain/device.js';
import type { EngineStatus } from '../../../src/domain/engine.js';
import { EngineDegradation } from '../../../src/engine/engine-degradation.js';
import { noInputs } from '../../../src/engine/engine-inputs.js';
import { EngineMetrics } from '../../../src/engine/engine-metrics.js';
import { EnginePressure } from '../../../src/engine/engine-pressure.js';
import { EngineStore } from '../../../src/engine/engine-record.js';
import { EngineView, statusOfRecord } from '../../../src/engine/engine-view.js';
import { KeptRecord } from '../../../src/engine/kept-record.js';
import type { MetricsAnswer } from '../../../src/engine/probe-engine.js';
import { emptyRecord } from '../../../src/engine/restore-record.js';
import { readBootId } from '../../../src/runtime/process-identity.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aFleet, aTemplate } from '../../support/engine-fleet.js';
import { ManualClock } from '../../support/manual-clock.js';

const quiet = { waiting: 0, kvCacheUsageRatio: 0.1, preemptions: 0 };
type Look = typeof quiet;

function pageOf({ waiting, kvCacheUsageRatio, preemptions }: Look): MetricsAnswer {
  return {
    load: { running: 1, waiting, kvCacheUsageRatio, kvCacheBlocks: null, kvBlockTokens: null },
    progress: { steps: 1, stepSizes: null, preemptions, asleep: false },
    startTime: null,
  };
}

describe('pressure', () => {
  it('begins above a limit and ends below a lower one, each after a while', () => {
    const pressure = new EnginePressure();
    const at = (seconds: number, waiting: number): string[] =>
      pressure.look({ nowMs: seconds * 1000, ...pageOf({ ...quiet, waiting }), preemptions: 0 });
    expect(at(0, 101)).toEqual([]);
    expect(at(9, 101)).toEqual([]);
    // One look below begins the wait anew.
    expect(at(9.5, 100)).toEqual([]);
    expect(at(12, 101)).toEqual([]);
    expect(at(22, 101)).toEqual(['queue']);
    expect(at(60, 50)).toEqual(['queue']);
    expect(at(61, 49)).toEqual(['queue']);
    expect(at(90, 49)).toEqual(['queue']);
    expect(at(91, 49)).toEqual([]);
  });

  it('is a rate for preemptions, and a new server begins at 0', () => {
    const pressure = new EnginePressure();
    const at = (seconds: number, preemptions: number): string[] =>
      pressure.look({ nowMs: seconds * 1000, load: null, preemptions });
    expect(at(0, 1000)).toEqual([]);
    expect(at(10, 1006)).toEqual([]);
    expect(at(20, 1007)).toEqual([]);
    expect(at(30, 1010)).toEqual(['preemptions']);
    expect(at(40, 0)).toEqual(['preemptions']);
    expect(at(70, 0)).toEqual([]);
  });
});

describe('pressure of device memory', () => {
  it.each([
    { plannedRatio: 0.92, at: [0.95, 0.951, 0.945, 0.939] },
    // 95 % is what this one was told to take.
    { plannedRatio: 0.95, at: [0.96, 0.971, 0.965, 0.959] },
  ])(
    'begins beyond 95 % and the plan of $plannedRatio',
    ({ plannedRatio, at: [below, above, between, over] }) => {
      const pressure = new EnginePressure();
      let nowMs = 0;
      const after = (seconds: number, usedRatio = 0): string[] => {
        const look = { load: null, preemptions: null, deviceMemory: { usedRatio, plannedRatio } };
        pressure.look({ nowMs, ...look });
        return pressure.look({ nowMs: (nowMs += seconds * 1000), ...look });
      };
      expect(after(60, below)).toEqual([]);
      expect(after(10, above)).toEqual(['device-memory']);
      expect(after(60, between)).toEqual(['device-memory']);
      expect(after(30, over)).toEqual([]);
    },
  );
});

describe('degradation', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'infernode-degradation-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function template(overrides: object): TemplateConfig {
    const { templates } = agentSchema.parse({ templates: { chat: { model: 'm', ...overrides } } });
    return templates['chat']!;
  }
  const three = template({
    args: ['--max-num-seqs', '64', '--max-model-len=8192'],
    degradation: ['fewer-sequences', 'shorter-context', 'kv-fp8'],
  });

  function aCase(chosen = three) {
    const clock = new ManualClock();
    const registry = new Registry();
    const metrics = new EngineMetrics(registry, 'node-a');
    const store = new EngineStore(directory, 'chat-0', 'boot', silentLogger());
    const record = store.read(metrics) ?? emptyRecord('chat', []);
    const view = new EngineView(statusOfRecord('chat-0', record, ['m'], clock), clock, (s) =>
      metrics.show(s),
    );
    const kept = new KeptRecord(record, store, view);
    const memory = { usedRatio: 0.5 };
    const totalBytes = 80 * 1024 ** 3;
    const inputs = {
      ...noInputs,
      reading: () =>
        ({
          memoryTotalBytes: totalBytes,
          memoryFreeBytes: totalBytes * (1 - memory.usedRatio),
        }) as DeviceReading,
    };
    const context = { clock, logger: silentLogger(), inputs };
    const degradation = new EngineDegradation('chat-0', context, kept, () => chosen);
    const looks = (seconds: number, look: Partial<Look>): EngineStatus => {
      for (let i = 0; i < seconds; i++) {
        clock.advance(1000);
        degradation.look(pageOf({ ...quiet, ...look }));
      }
      return view.status;
    };
    view.update({ deviceUuids: ['GPU-0'] });
    return { degradation, looks, memory, registry, store, view };
  }

  it('takes a step after a minute of pressure and the next only after a start with it', async () => {
    const { degradation, looks, registry, store } = aCase();
    expect(degradation.takeArgs()).toEqual([]);
    expect(looks(65, { kvCacheUsageRatio: 0.97 })).toMatchObject({ pressure: ['kv-cache'], degraded: [] });
    expect(looks(600, { kvCacheUsageRatio: 0.97 }).degraded).toEqual(['fewer-sequences']);
    expect(await registry.metrics()).toContain(
      'infernode_engine_degraded{node="node-a",engine_id="chat-0",step="fewer-sequences"} 1',
    );
    expect(degradation.takeArgs()).toEqual(['--max-num-seqs', '32']);
    looks(80, { kvCacheUsageRatio: 0.97 });
    expect(degradation.takeArgs()).toEqual(['--max-num-seqs', '32', '--max-model-len', '4096']);
    looks(80, { kvCacheUsageRatio: 0.97 });
    expect(degradation.takeArgs().slice(-2)).toEqual(['--kv-cache-dtype', 'fp8']);
    await store.flush();
    // The agent's next process.
    expect(aCase().view.status.degraded).toEqual(['fewer-sequences', 'shorter-context', 'kv-fp8']);
  });

  it('takes steps back in the opposite order, and none while the value is between the limits', () => {
    const { degradation, looks } = aCase();
    for (let i = 0; i < 2; i++) {
      degradation.takeArgs();
      looks(80, { kvCacheUsageRatio: 0.97 });
    }
    expect(looks(2000, { kvCacheUsageRatio: 0.9 }).degraded).toHaveLength(2);
    expect(looks(640, {}).degraded).toEqual(['fewer-sequences']);
    expect(looks(600, {}).degraded).toEqual([]);
    expect(degradation.takeArgs()).toEqual([]);
  });

  it('is not asked for by a queue, which requests are degraded for', () => {
    const { degradation, looks } = aCase();
    degradation.takeArgs();
    expect(looks(200, { waiting: 500 })).toMatchObject({ pressure: ['queue'], degraded: [] });
  });

  it('a device nearly full asks for fewer sequences and a shorter context, not for a narrower cache', () => {
    const { degradation, looks, memory } = aCase();
    memory.usedRatio = 0.97;
    for (const steps of [1, 2, 2]) {
      degradation.takeArgs();
      expect(looks(80, {})).toMatchObject({ pressure: ['device-memory'] });
      expect(degradation.takeArgs()).toHaveLength(2 * steps);
    }
    memory.usedRatio = 0.9;
    expect(looks(640, {})).toMatchObject({ pressure: [], degraded: ['fewer-sequences'] });
  });

  it('gives up nothing that the template does not list', () => {
    const { degradation, looks } = aCase(template({}));
    degradation.takeArgs();
    expect(looks(200, { kvCacheUsageRatio: 1 })).toMatchObject({ pressure: ['kv-cache'], degraded: [] });
  });

  it('is on the command line of the next start', async () => {
    const chat = aTemplate({}, { args: ['--max-num-seqs', '64'], degradation: ['fewer-sequences'] });
    const current = aFleet({}, { templates: { chat } });
    try {
      const store = new EngineStore(current.directory, 'chat-0', readBootId(), silentLogger());
      await store.save({ ...emptyRecord('chat', ['0']), degradeSteps: 1 });
      await current.fleet.start();
      const { pid, degraded } = await current.until('ready');
      expect(degraded).toEqual(['fewer-sequences']);
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      expect(argv.slice(argv.lastIndexOf('--max-num-seqs')).slice(0, 2)).toEqual(['--max-num-seqs', '32']);
    } finally {
      await current.clear();
    }
  });

  it.each([
    [{ degradation: ['shorter-context'] }, /names none; add `--max-model-len N`/],
    [{ adapter: 'sglang', degradation: ['kv-fp8'] }, /adapter sglang knows no degradation steps/],
    [{ degradation: ['kv-fp8', 'kv-fp8'] }, /each step once/],
  ])('refuses steps that mean nothing: %j', (overrides, message) => {
    expect(() => template(overrides)).toThrow(message);
  });
});
