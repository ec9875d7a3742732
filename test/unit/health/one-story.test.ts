/** NVML and the kernel log tell one story: merged, folded into incidents, remembered over restarts, climbing when a repair did not help. */
import { describe, expect, it } from 'vitest';
import type { NodeSample } from '../../../src/domain/device.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { HealthBench } from './health-bench.js';

const released: Partial<NodeSample> = { driver: { state: 'released', reason: 'on request' }, devices: [] };
const line = (code: number, rest = '', address = 'PCI:0000:01:00'): string =>
  `NVRM: Xid (${address}): ${code}, ${rest}`;

function running(options: ConstructorParameters<typeof HealthBench>[0] = {}): HealthBench {
  const bench = new HealthBench(options);
  bench.sample();
  return bench;
}

function reset(bench: HealthBench): void {
  bench.sample(released);
  bench.sample();
}

async function xidCount(bench: HealthBench, xid: string): Promise<number> {
  const metric = await bench.registry.getSingleMetric('infernode_device_xid_total')?.get();
  return metric?.values.find(({ labels }) => labels['xid'] === xid)?.value ?? 0;
}

describe('two sources', () => {
  it.each(['PCI:0000:01:00', '0000:01:00', 'PCI:00000000:01:00.0', '0000:01:00.0', 'PCI:01:00', '01:00.0'])(
    'an Xid from both within a second is one, whatever the address looks like: %s',
    async (address) => {
      const bench = running();
      bench.xid(79);
      bench.clock.advance(900);
      bench.kernel(line(79, 'GPU has fallen off the bus.', address));
      expect(await xidCount(bench, '79')).toBe(1);
      expect(bench.faults.filter(({ xid }) => xid === 79)).toHaveLength(1);
      expect(
        bench.history.incident(bench.entries[0]!.incident!)?.entries.map(({ source }) => source),
      ).toEqual(['nvml', 'kmsg']);
    },
  );

  it('the kernel log alone is enough, and a MIG line speaks of its device', async () => {
    const bench = running();
    bench.kernel(
      'NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9). RST: No, D-RST: No',
    );
    expect(bench.faults.at(-1)).toMatchObject({ xid: 94, pid: 7194, deviceUuid: deviceUuid(0) });
    expect(await xidCount(bench, '94')).toBe(1);
  });

  it('an Xid of a device that nobody knows is kept as a finding of the node', () => {
    const bench = running();
    bench.kernel(line(79, 'x', 'PCI:0000:77:00'));
    expect(bench.nodeCondition('xid')).toMatchObject({ severity: 'fatal' });
    expect(bench.status.health).toBe('healthy');
    expect(bench.tracker.nodeCordons).toEqual([]);
  });

  it('the recovery action in the text of Xid 154 outranks the table', () => {
    const bench = running();
    bench.kernel(line(154, 'GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)'));
    expect(bench.status).toMatchObject({ health: 'unhealthy', action: 'reboot-node' });
  });

  it('records before the first sample wait until it is known whose address is whose', () => {
    const bench = new HealthBench();
    bench.kernel(line(79));
    expect(bench.faults).toEqual([]);
    bench.sample();
    expect(bench.status).toMatchObject({ health: 'unhealthy' });
  });
});

describe('replay', () => {
  it('what was acted on is not again after a restart of the agent; what came in between is', async () => {
    const bench = running();
    bench.kernel(line(31, 'pid=1'));
    bench.tracker.uncordonDevice('0', 'health:xid');
    const next = running({ restored: bench.stored ?? undefined });
    next.kernel(line(31, 'pid=1'));
    expect(next.faults).toEqual([]);
    next.kernel(line(79));
    expect(next.faults.map(({ xid }) => xid)).toEqual([79]);
  });

  it('after a boot the numbers start over', () => {
    const bench = running({ firstSeq: 500 });
    bench.kernel(line(79));
    const booted = running({ restored: bench.stored ?? undefined, bootId: 'boot-2' });
    booted.kernel(line(48));
    expect(booted.faults.map(({ xid }) => xid)).toEqual([48]);
  });

  it('an application fault of an hour ago is over; a lost device of an hour ago is not', () => {
    const bench = running();
    bench.kernel(line(31, 'pid=1'), { ageMs: 3_600_000 });
    bench.kernel(line(79), { ageMs: 3_600_000 });
    bench.tracker.tick();
    expect(bench.status.conditions.map(({ reason }) => reason)).toEqual([
      'Xid 79: GPU has fallen off the bus',
    ]);
    expect(bench.status.conditions[0]!.sinceMs).toBe(bench.clock.wallMs() - 3_600_000);
  });
});

describe('incidents', () => {
  it('a burst is one incident under its worst code, and 45 is never the root', () => {
    const bench = running();
    for (const code of [45, 48, 95, 63, 45]) {
      bench.kernel(line(code));
      bench.clock.advance(500);
    }
    const ids = new Set(bench.entries.filter(({ kind }) => kind === 'fault').map(({ incident }) => incident));
    expect(ids.size).toBe(1);
    const incident = bench.history.incident([...ids][0]!);
    expect(incident).toMatchObject({ xid: 95, severity: 'fatal', device: deviceUuid(0) });
    expect(incident?.entries.map(({ xid }) => xid)).toEqual([45, 48, 95, 63, 45]);
  });

  it('what comes later, and what another device says, is another incident', () => {
    const bench = new HealthBench();
    bench.sample({ devices: [bench.device(0), bench.device(1)] });
    bench.xid(48);
    bench.xid(48, { deviceUuid: deviceUuid(1) });
    bench.clock.advance(10_000);
    bench.xid(48);
    const ids = bench.entries.filter(({ kind }) => kind === 'fault').map(({ incident }) => incident);
    expect(new Set(ids).size).toBe(3);
  });

  it('a drill is marked in the fault, the condition and the history', () => {
    const bench = running();
    bench.kernel(line(79), { drill: true });
    expect(bench.faults.at(-1)).toMatchObject({ drill: true });
    expect(bench.status.conditions[0]).toMatchObject({ drill: true });
    expect(bench.entries.filter(({ kind }) => kind === 'fault').every(({ drill }) => drill)).toBe(true);
  });
});

describe('repeats', () => {
  it('a fault that comes back after each reset climbs the ladder, over restarts of the agent', () => {
    let bench = running();
    const actions: string[] = [];
    for (let round = 0; round < 4; round++) {
      bench.xid(95);
      actions.push(bench.status.action);
      reset(bench);
      bench = running({ restored: bench.stored ?? undefined });
    }
    expect(actions).toEqual(['reset-device', 'reboot-node', 'replace-hardware', 'replace-hardware']);
  });

  it('one that comes again before anything was repaired does not climb', () => {
    const bench = running();
    bench.xid(95);
    bench.clock.advance(60_000);
    bench.xid(95);
    expect(bench.status.action).toBe('reset-device');
  });

  it('xid_after_reset fires when a fatal Xid came back twice after repairs', () => {
    const bench = running();
    for (let round = 0; round < 3; round++) {
      bench.xid(95);
      if (round < 2) reset(bench);
    }
    bench.expectFiring('xid_after_reset', { severity: 'fatal', advice: 'contact_support' });
  });

  it('xid_after_reset clears by an operator only, and what was before does not count any more', () => {
    const bench = running();
    for (let round = 0; round < 3; round++) {
      bench.xid(95);
      reset(bench);
    }
    bench.clock.advance(30 * 24 * 3_600_000);
    bench.sample();
    bench.tracker.tick();
    bench.expectFiring('xid_after_reset', {});
    bench.tracker.acknowledge('0', 'xid_after_reset', 'operator:a');
    bench.expectClear('xid_after_reset');
    bench.xid(95);
    bench.expectClear('xid_after_reset');
    expect(bench.status.action).toBe('reset-device');
  });

  const crash = (bench: HealthBench, text: string): void => {
    bench.kernel(line(31, text));
    bench.clock.advance(60_000);
  };

  it('xid_app_repeat fires at five crashes of one program, and two programs are enough', () => {
    const bench = running();
    for (let i = 0; i < 4; i++) crash(bench, 'pid=1, name=python3, Ch 1');
    bench.expectClear('xid_app_repeat');
    crash(bench, 'pid=1, name=python3, Ch 1');
    bench.expectFiring('xid_app_repeat', { severity: 'critical', advice: 'contact_support' });
    expect(bench.status.health).toBe('degraded');

    const two = running();
    crash(two, 'pid=1, name=python3');
    crash(two, 'pid=2, name=train');
    two.expectFiring('xid_app_repeat', {});
  });

  it('xid_app_repeat counts the many lines of one crash once, and fires for one place of the chip', () => {
    const bench = running();
    for (let i = 0; i < 20; i++)
      bench.kernel(line(13, `Graphics SM Warp Exception on (GPC ${i}, TPC 0, SM 0)`));
    bench.expectClear('xid_app_repeat');
    bench.clock.advance(60_000);
    bench.kernel(line(13, 'Graphics SM Warp Exception on (GPC 0, TPC 0, SM 0)'));
    bench.expectFiring('xid_app_repeat', {});
  });

  it('xid_app_repeat clears after 24 hours without a new one, or by an operator', () => {
    const bench = running();
    crash(bench, 'pid=1, name=python3');
    crash(bench, 'pid=2, name=train');
    bench.clock.advance(23 * 3_600_000);
    bench.sample();
    bench.tracker.tick();
    bench.expectFiring('xid_app_repeat', {});
    bench.clock.advance(3_600_000);
    bench.sample();
    bench.tracker.tick();
    bench.expectClear('xid_app_repeat');
  });
});

it('an acknowledgement of what does not fire is refused in words', () => {
  const bench = running();
  expect(() => bench.tracker.acknowledge('0', 'xid', 'operator:a')).toThrow(
    /expected a check that fires on device 0/,
  );
  expect(() => bench.tracker.acknowledge('7', 'xid', 'operator:a')).toThrow(/device/);
});
