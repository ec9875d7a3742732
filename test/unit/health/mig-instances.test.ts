/** With MIG one bad instance neither hides nor taints another: conditions, states, incidents, evidence and engines of one alone. */
import { describe, expect, it } from 'vitest';
import { emptyDetails, type MigInstance } from '../../../src/domain/device-details.js';
import type { DeviceSample } from '../../../src/domain/device.js';
import { explainConditions } from '../../../src/health/explain-device.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { HealthBench } from './health-bench.js';

const instances: MigInstance[] = [5, 6].map((gpuInstance) => ({
  ...{ uuid: `MIG-${gpuInstance}`, gpuInstance, computeInstance: 0 },
  ...{ memoryTotalBytes: 20e9, memoryUsedBytes: 0 },
}));

function running(): HealthBench {
  const bench = new HealthBench();
  sample(bench);
  return bench;
}

function sample(bench: HealthBench, change: Partial<DeviceSample> = {}, migs = instances): void {
  const details = { ...emptyDetails, migMode: 1, migPending: 1 };
  const parts = { readNumber: 1, links: null, migs, peers: null };
  bench.sample({ devices: [bench.device(0, { details, parts, ...change })] });
}

const line = (instance: string, code: number, pid: number): string =>
  `NVRM: Xid (PCI:0000:01:00 GPU-I:${instance}): ${code}, pid=${pid}, Contained: CE User Channel (0x9). RST: No, D-RST: No`;

const states = (bench: HealthBench): Record<string, string> =>
  Object.fromEntries((bench.status.instances ?? []).map(({ uuid, health }) => [uuid, health]));

describe('an Xid of a program in one MIG instance', () => {
  it('is a condition of that instance, and the other is as healthy as before', () => {
    const bench = running();
    expect(states(bench)).toEqual({ 'MIG-5': 'healthy', 'MIG-6': 'healthy' });
    bench.kernel(line('05', 94, 7194));
    expect(bench.condition('xid')).toMatchObject({ part: 'GPU instance 5' });
    expect(bench.condition('xid')?.reason).toMatch(/^Xid 94: .*\(GPU instance 5\)$/);
    expect(states(bench)).toEqual({ 'MIG-5': 'degraded', 'MIG-6': 'healthy' });
    expect(bench.status.health).toBe('degraded');
    expect(bench.status.cordons).toEqual([]);
  });

  it('hides no Xid of the other: both are held, and each has its own evidence', () => {
    const bench = running();
    const [first, second] = [line('05', 94, 7194), line('06', 94, 8000)];
    bench.kernel(first);
    // NVML tells of the other instance within the second in which the two sources of one event are merged.
    bench.xid(94, { gpuInstance: 6 });
    bench.kernel(second);
    const held = bench.status.conditions.filter(({ check }) => check === 'xid');
    expect(held.map(({ part }) => part).sort()).toEqual(['GPU instance 5', 'GPU instance 6']);
    expect(states(bench)).toEqual({ 'MIG-5': 'degraded', 'MIG-6': 'degraded' });
    const explained = explainConditions(bench.status, bench.entries);
    const evidence = (part: string) =>
      explained.find(({ condition }) => condition.part === part)?.evidence.join();
    expect(evidence('GPU instance 5')).toContain(first);
    expect(evidence('GPU instance 5')).not.toContain(second);
    expect(evidence('GPU instance 6')).not.toContain(first);
  });

  it('survives a restart of the agent as what it is', () => {
    const bench = running();
    bench.kernel(line('05', 94, 7194));
    const again = new HealthBench({ restored: bench.stored! });
    sample(again);
    expect(states(again)).toEqual({ 'MIG-5': 'degraded', 'MIG-6': 'healthy' });
  });

  it('names the processes that the driver listed in the instance, and no others', () => {
    const bench = running();
    const process = (pid: number, gpuInstance: number) => ({ pid, memoryBytes: 1, gpuInstance });
    sample(bench, { processes: [process(11, 5), process(12, 6)] });
    bench.xid(94, { gpuInstance: 6 });
    expect(bench.faults.at(-1)).toMatchObject({ part: 'GPU instance 6', holders: [12] });
  });
});

it('an Xid that hurts the device hurts every instance, whichever the line names', () => {
  const bench = running();
  bench.kernel(line('05', 95, 7194));
  expect(bench.condition('xid')?.part).toBeUndefined();
  expect(states(bench)).toEqual({ 'MIG-5': 'unhealthy', 'MIG-6': 'unhealthy' });
  expect(bench.status.cordons).toMatchObject([{ holder: 'health:xid' }]);
});

it('an instance that is gone is missed by its UUID, and the one that is there is not', () => {
  const bench = running();
  sample(bench, {}, instances.slice(0, 1));
  expect(bench.condition('mig_instance_missing')).toMatchObject({ part: 'mig MIG-6' });
  expect(states(bench)).toEqual({ 'MIG-5': 'healthy' });
});

it('nothing that is heard makes an instance healthy again while the device is not seen', () => {
  const bench = running();
  bench.sample({
    devices: [],
    stuck: [{ deviceIndex: 0, deviceUuid: deviceUuid(0), call: 'nvmlDeviceGetName', forMs: 4000 }],
  });
  expect(states(bench)).toEqual({ 'MIG-5': 'unknown', 'MIG-6': 'unknown' });
});
