/** Checks that look at device and engine together, against the simulated library and a handed-in workload. */
import { expect } from 'vitest';
import { check } from '../../support/check-tests.js';

check(
  'engine_stuck_gpu_idle',
  async (sim) => {
    await sim.set({ gpuUtilizationRatio: 0 });
    sim.workload({ engines: [sim.engine({ running: 2, tokenAgeMs: 61_000 })] });
    await sim.sample();
    await sim.sample(59);
    sim.expectClear('engine_stuck_gpu_idle');
    await sim.sample(1);
    sim.expectFiring('engine_stuck_gpu_idle', {
      severity: 'warning',
      action: 'restart-engine',
      part: 'engine chat-0',
    });
  },
  async (sim) => {
    sim.workload({ engines: [sim.engine({ running: 2, tokenAgeMs: 20 })] });
    await sim.sample();
  },
);

check(
  'engine_stuck_gpu_busy',
  async (sim) => {
    await sim.set({ gpuUtilizationRatio: 1, powerWatts: 200 });
    sim.workload({ engines: [sim.engine({ running: 1, tokenAgeMs: 90_000 })] });
    await sim.sample();
    await sim.sample(60);
    sim.expectFiring('engine_stuck_gpu_busy', { severity: 'critical', action: 'restart-engine' });
  },
  async (sim) => {
    sim.workload({ engines: [sim.engine({ running: 1, tokenAgeMs: 0 })] });
    await sim.sample();
  },
);

check(
  'cuda_error_report',
  async (sim) => {
    sim.workload({ engines: [sim.engine({ cudaError: { code: 46, text: 'all devices are busy' } })] });
    await sim.sample();
    sim.expectFiring('cuda_error_report', { severity: 'fatal', action: 'restart-engine' });
    sim.workload({ engines: [sim.engine({ cudaError: { code: 719, text: 'launch failure' } })] });
    await sim.sample();
    sim.expectFiring('cuda_error_report', { severity: 'warning' });
  },
  async (sim) => {
    sim.workload({ engines: [sim.engine()] });
    await sim.sample();
  },
);

check(
  'foreign_process',
  async (sim) => {
    await sim.holdMemory();
    sim.workload({ seesHostPids: true, commands: new Map([[process.pid, 'python3']]) });
    await sim.sample();
    sim.expectFiring('foreign_process', { severity: 'info', action: 'none' });
    expect(sim.conditions('foreign_process')[0]?.reason).toContain(`${process.pid} (python3)`);
  },
  async (sim) => {
    sim.workload({ seesHostPids: true, engines: [sim.engine({ pids: [process.pid] })] });
    await sim.sample();
  },
);

check(
  'gpu_slower_than_siblings',
  async (sim) => {
    await sim.edit((s) => {
      for (const { set } of s.devices) Object.assign(set, { gpuUtilizationRatio: 0.9, smClockMhz: 1900 });
      s.devices[0]!.set.smClockMhz = 1600;
    });
    await sim.sample(599);
    sim.expectClear('gpu_slower_than_siblings');
    await sim.sample(1);
    sim.expectFiring('gpu_slower_than_siblings', { severity: 'warning', action: 'none' });
    expect(sim.conditions('gpu_slower_than_siblings', 1)).toEqual([]);
  },
  async (sim) => {
    await sim.set({ smClockMhz: 1750 });
    sim.expectFiring('gpu_slower_than_siblings');
    await sim.set({ smClockMhz: 1850 });
  },
  { gpus: 4 },
);

check(
  'active_probe',
  async (sim) => {
    const deviceUuid = sim.gpus.uuids[0]!;
    const failed = { deviceUuid, passed: false, reason: 'the known-answer kernel gave another answer' };
    sim.workload({ probes: new Map([[deviceUuid, failed]]) });
    await sim.sample();
    sim.expectFiring('active_probe', { severity: 'critical', action: 'reset-device' });
  },
  async (sim) => {
    const deviceUuid = sim.gpus.uuids[0]!;
    sim.workload({ probes: new Map([[deviceUuid, { deviceUuid, passed: true, reason: '' }]]) });
    await sim.sample();
  },
);
