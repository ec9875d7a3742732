/** From an Xid event to health, cordon and back: what each `recovers_how` of the data needs to clear. */
import { describe, expect, it } from 'vitest';
import type { NodeSample } from '../../../src/domain/device.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { HealthBench, goodReading } from './health-bench.js';

function withXid(code: number): HealthBench {
  const bench = new HealthBench();
  bench.sample();
  bench.xid(code);
  return bench;
}

const released: Partial<NodeSample> = { driver: { state: 'released', reason: 'on request' }, devices: [] };

describe('xid', () => {
  it('xid fires: 79 makes the device unhealthy and cordoned before the fault is announced, in the same turn', () => {
    const bench = withXid(79);
    expect(bench.status).toMatchObject({
      health: 'unhealthy',
      severity: 'fatal',
      action: 'reboot-node',
      reason: 'Xid 79: GPU has fallen off the bus',
      cordons: [{ holder: 'health:xid' }],
      conditions: [{ check: 'xid', severity: 'fatal', action: 'reboot-node' }],
    });
    expect(bench.order.slice(-2)).toEqual(['devices', 'xid']);
    expect(bench.faults.at(-1)).toMatchObject({ xid: 79, drain: 'drain-now', deviceUuid: deviceUuid(0) });
  });

  it('xid clears: 79 stays while readings are good and goes when the device returns', () => {
    const bench = withXid(79);
    for (let i = 0; i < 1000; i++) bench.sample();
    bench.expectFiring('xid', { severity: 'fatal' });
    bench.absent();
    bench.expectFiring('xid', { severity: 'fatal' });
    bench.sample();
    bench.expectClear('xid');
    expect(bench.status).toMatchObject({ health: 'healthy', cordons: [], reason: '', action: 'none' });
  });

  it('79 does not go because the driver was opened again, 95 (reset) does', () => {
    const rebooting = withXid(79);
    rebooting.sample(released);
    rebooting.sample();
    rebooting.expectFiring('xid', {});

    const resetting = withXid(95);
    resetting.sample(released);
    expect(resetting.status.health).toBe('unhealthy');
    resetting.sample();
    resetting.expectClear('xid');
  });

  it('a driver that was opened again but still asks for a reset has repaired nothing', () => {
    const bench = withXid(95);
    bench.sample(released);
    bench.reading({ recoveryAction: 1 });
    bench.expectFiring('xid', {});
  });

  it('a driver that could not be opened for a while has reset nothing', () => {
    const bench = withXid(95);
    bench.sample({ driver: { state: 'init-failed', reason: 'nvmlInit_v2 has not returned' }, devices: [] });
    bench.sample();
    bench.expectFiring('xid', {});
  });

  it('a driver that was never open cannot have come back', () => {
    const bench = withXid(95);
    const restarted = new HealthBench({ restored: bench.stored ?? undefined });
    restarted.sample(released);
    restarted.sample();
    restarted.expectFiring('xid', {});
  });

  it('a volatile counter that went down proves a reset', () => {
    const bench = new HealthBench();
    bench.reading({ eccUncorrectedVolatile: 3 });
    bench.xid(48);
    bench.reading({ eccUncorrectedVolatile: 3 });
    bench.expectFiring('xid', {});
    bench.reading({ eccUncorrectedVolatile: 0 });
    bench.expectClear('xid');
  });

  it('an operator acknowledges it by uncordoning as health:xid', () => {
    const bench = withXid(79);
    const status = bench.tracker.uncordonDevice('0', 'health:xid');
    expect(status).toMatchObject({ health: 'healthy', cordons: [], conditions: [] });
  });

  it('an application fault asks for a new engine, leaves the device in service and goes with the restart', () => {
    const bench = withXid(31);
    expect(bench.status).toMatchObject({ health: 'healthy', cordons: [], reason: '' });
    expect(bench.faults.at(-1)).toMatchObject({ drain: 'restart-engine', action: 'restart-engine' });
    bench.expectFiring('xid', { severity: 'warning' });
    bench.tracker.noteEngineRestarted([deviceUuid(0)]);
    bench.expectClear('xid');
  });

  it('a contained memory error degrades the device and does not cordon it', () => {
    const bench = withXid(94);
    expect(bench.status).toMatchObject({ health: 'degraded', action: 'restart-engine', cordons: [] });
  });

  it('an application fault without an engine goes after ten quiet minutes, counted from the last one', () => {
    const bench = withXid(13);
    bench.clock.advance(5 * 60_000);
    bench.xid(13);
    bench.clock.advance(9 * 60_000);
    bench.sample();
    bench.tracker.tick();
    bench.expectFiring('xid', {});
    bench.clock.advance(60_000);
    bench.sample();
    bench.tracker.tick();
    bench.expectClear('xid');
  });

  it('163 goes with 162', () => {
    const bench = withXid(163);
    bench.expectFiring('xid', {});
    bench.xid(162);
    bench.expectClear('xid');
  });

  it('info codes are counted and leave no condition', async () => {
    const bench = withXid(45);
    bench.expectClear('xid');
    expect(await bench.registry.metrics()).toContain(`device="${deviceUuid(0)}",xid="45"} 1`);
  });

  it('the driver verdict 154 fires and clears recovery_action', () => {
    const bench = withXid(31);
    const text = (to: string) =>
      `NVRM: Xid (PCI:0000:61:00): 154, GPU recovery action changed from 0x0 (None) to ${to}`;
    bench.xid(154, { source: 'kmsg', text: text('0x2 (Node Reboot Required)') });
    bench.expectFiring('recovery_action', { severity: 'fatal', action: 'reboot-node' });
    bench.clock.advance(5000);
    bench.xid(154, { source: 'kmsg', text: text('0x0 (None)') });
    bench.expectClear('recovery_action');
  });

  it('readings from before the event do not clear what it said', () => {
    const bench = new HealthBench();
    bench.sample();
    bench.event({ kind: 'recovery-action', code: 1 });
    bench.sample({ devices: [bench.device(0, { reading: goodReading, ageMs: 1500 })] });
    bench.expectFiring('recovery_action', {});
    bench.sample();
    bench.expectClear('recovery_action');
  });

  it('the same Xid from NVML and the kernel log is one fault, with the text of the log', () => {
    const bench = withXid(144);
    bench.clock.advance(300);
    bench.xid(144, {
      source: 'kmsg',
      text: 'NVRM: Xid (PCI:0000:61:00): 144, SAW_MVB Non-fatal XC0 i0 Link 00 (0x00000001 0x00000001 0x0)',
    });
    expect(bench.faults).toHaveLength(1);
    expect(bench.condition('xid')).toMatchObject({ severity: 'warning' });
    expect(bench.status.health).toBe('healthy');
  });

  it('an event before the first sample is kept for its device', () => {
    const bench = new HealthBench();
    bench.xid(79);
    bench.sample();
    expect(bench.status.health).toBe('unhealthy');
  });

  it('an event without a device is a fault of the node and taints no device', () => {
    const bench = new HealthBench();
    bench.sample();
    bench.event({ deviceUuid: null });
    expect(bench.status.health).toBe('healthy');
    expect(bench.faults.at(-1)).toMatchObject({ deviceUuid: null, xid: 79 });
  });
});

describe('what survives a restart', () => {
  it('a fatal Xid and an operator cordon stay within one boot; a boot clears the Xid', () => {
    const before = withXid(79);
    before.tracker.cordonDevice(deviceUuid(0), 'operator:ann', 'looks odd');
    const restored = JSON.parse(JSON.stringify(before.stored)) as NonNullable<typeof before.stored>;

    const sameBoot = new HealthBench({ restored });
    expect(sameBoot.tracker.devices[0]).toMatchObject({ health: 'unhealthy' });
    sameBoot.sample();
    expect(sameBoot.status).toMatchObject({
      health: 'unhealthy',
      cordons: [{ holder: 'operator:ann' }, { holder: 'health:xid' }],
    });

    const nextBoot = new HealthBench({ restored, bootId: 'boot-2' });
    expect(nextBoot.tracker.devices[0]).toMatchObject({ health: 'unknown', reason: 'no sample yet' });
    nextBoot.sample();
    expect(nextBoot.status).toMatchObject({ health: 'healthy', cordons: [{ holder: 'operator:ann' }] });
  });

  it('a device that is missing after a boot has its name and serial number', () => {
    const before = new HealthBench();
    before.sample();
    const after = new HealthBench({ restored: before.stored ?? undefined, bootId: 'boot-2' });
    after.absent();
    expect(after.status).toMatchObject({ health: 'unhealthy', identity: before.status.identity });
    expect(() => after.tracker.uncordonDevice(deviceUuid(0), 'health:gpu_missing')).not.toThrow();
    expect(after.devices).toEqual([]);
  });
});

describe('cordons', () => {
  it('one holder never lifts the entry of another', () => {
    const bench = withXid(79);
    bench.tracker.cordonDevice('0', 'operator:ann', 'a');
    bench.tracker.cordonDevice('0', 'operator:bob', 'b');
    bench.tracker.uncordonDevice('0', 'operator:ann');
    expect(bench.status.cordons.map((c) => c.holder)).toEqual(['operator:bob', 'health:xid']);
    bench.tracker.uncordonDevice('0', 'operator:ann');
    expect(bench.stored?.devices[0]?.cordons).toMatchObject([{ holder: 'operator:bob', reason: 'b' }]);
  });

  it('an unknown device is refused', () => {
    const bench = withXid(79);
    for (const ref of ['7', 'GPU-nope', '-1', '1e0', ''])
      expect(() => bench.tracker.cordonDevice(ref, 'operator:ann', '')).toThrow(
        /UUID or index of a device of this node \(0\)/,
      );
  });
});

describe('metrics', () => {
  it('are born at 0, follow the state, and leave with the device', async () => {
    const bench = new HealthBench();
    bench.sample();
    const device = `node="gpu-a",device="${deviceUuid(0)}"`;
    let text = await bench.registry.metrics();
    expect(text).toContain(`infernode_device_health{${device},state="healthy"} 1`);
    expect(text).toContain(`infernode_device_xid_total{${device},xid="79"} 0`);
    expect(text).toContain(`infernode_device_condition{${device},check="gpu_lost",severity="fatal"} 0`);
    expect(text).toContain(`infernode_device_faults_total{${device},severity="fatal"} 0`);
    bench.xid(79);
    text = await bench.registry.metrics();
    expect(text).toContain(`infernode_device_health{${device},state="unhealthy"} 1`);
    expect(text).toContain(`infernode_device_health{${device},state="healthy"} 0`);
    expect(text).toContain(`infernode_device_xid_total{${device},xid="79"} 1`);
    expect(text).toContain(`infernode_device_condition{${device},check="xid",severity="fatal"} 1`);
    bench.absent();
    bench.tracker.uncordonDevice('0', 'health:gpu_missing');
    expect(await bench.registry.metrics()).not.toContain(device);
  });
});
