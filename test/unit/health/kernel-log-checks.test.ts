/** The checks whose source is the kernel log: each fires by its line and clears by the rule of its row, with a manual clock. */
import { describe, expect, it } from 'vitest';
import type { NodeSample } from '../../../src/domain/device.js';
import { deviceUuid } from '../../support/node-fixtures.js';
import { HealthBench } from './health-bench.js';

const minuteMs = 60_000;
const released: Partial<NodeSample> = { driver: { state: 'released', reason: 'on request' }, devices: [] };

function running(options: ConstructorParameters<typeof HealthBench>[0] = {}): HealthBench {
  const bench = new HealthBench(options);
  bench.sample();
  return bench;
}

/** Released, reset by hand, opened again. */
function reset(bench: HealthBench): void {
  bench.sample(released);
  bench.sample();
}

/** Time passes with a good sample at its end. */
function quiet(bench: HealthBench, ms: number): void {
  bench.clock.advance(ms);
  bench.sample();
  bench.tracker.tick();
}

describe('fallen_off_log', () => {
  const line = 'NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.';

  it('fallen_off_log fires: a line without an Xid number counts as 79', () => {
    const bench = running();
    bench.kernel(line);
    bench.expectFiring('fallen_off_log', { severity: 'fatal', action: 'reboot-node' });
    expect(bench.status).toMatchObject({
      health: 'unhealthy',
      cordons: [{ holder: 'health:fallen_off_log' }],
    });
    expect(bench.faults.at(-1)).toMatchObject({ xid: 79, drain: 'drain-now', evidence: line });
  });

  it('fallen_off_log fires: the address stands on the line before', () => {
    const bench = running();
    bench.kernel('NVRM: The NVIDIA GPU 0000:01:00.0');
    bench.kernel(
      'NVRM: (PCI ID: 10de:2330) installed in this system has fallen off the bus and is not responding to commands.',
    );
    bench.expectFiring('fallen_off_log', { severity: 'fatal' });
  });

  it('fallen_off_log clears when the device is there after a boot', () => {
    const bench = running();
    bench.kernel(line);
    reset(bench);
    bench.expectFiring('fallen_off_log', {});
    const booted = running({ restored: bench.stored ?? undefined, bootId: 'boot-2' });
    booted.expectClear('fallen_off_log');
    expect(booted.status.health).toBe('healthy');
  });
});

describe('rm_init_failed', () => {
  const line = 'NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x62:0x40:2477)';

  it('rm_init_failed fires and takes the device out of service', () => {
    const bench = running();
    bench.kernel(line);
    bench.expectFiring('rm_init_failed', { severity: 'fatal', action: 'reset-device' });
    expect(bench.status.health).toBe('unhealthy');
  });

  it('rm_init_failed clears when the handle works again', () => {
    const bench = running();
    bench.kernel(line);
    bench.failing('NVML_ERROR_UNKNOWN');
    bench.expectFiring('rm_init_failed', {});
    bench.sample();
    bench.expectClear('rm_init_failed');
  });
});

describe('gsp_timeout_storm', () => {
  const line = 'NVRM: GPU 0000:01:00.0: _kgspRpcRecvPoll: GSP RM heartbeat timed out';

  it('gsp_timeout_storm fires with the second time-out within ten minutes', () => {
    const bench = running();
    bench.kernel(line);
    bench.expectClear('gsp_timeout_storm');
    bench.clock.advance(11 * minuteMs);
    bench.kernel(line);
    bench.expectClear('gsp_timeout_storm');
    bench.clock.advance(minuteMs);
    bench.kernel(line);
    bench.expectFiring('gsp_timeout_storm', { severity: 'fatal', action: 'reset-device' });
  });

  it('gsp_timeout_storm clears after ten quiet minutes, but only once a reset was seen', () => {
    const bench = running();
    bench.kernel(line);
    bench.kernel(line);
    quiet(bench, 20 * minuteMs);
    bench.expectFiring('gsp_timeout_storm', {});
    bench.kernel(line);
    bench.kernel(line);
    reset(bench);
    quiet(bench, 5 * minuteMs);
    bench.expectFiring('gsp_timeout_storm', {});
    quiet(bench, 5 * minuteMs);
    bench.expectClear('gsp_timeout_storm');
  });
});

describe('inforom_corrupt', () => {
  it('inforom_corrupt fires from the log', () => {
    const bench = running();
    bench.kernel('NVRM: GPU at PCI:0000:01:00: corrupted infoROM');
    bench.expectFiring('inforom_corrupt', { severity: 'warning', advice: 'contact_support' });
    expect(bench.status.health).toBe('healthy');
  });

  it('inforom_corrupt clears when the part has another serial number or an operator acknowledges it', () => {
    const bench = running();
    bench.kernel('NVRM: GPU at PCI:0000:01:00: corrupted infoROM');
    quiet(bench, 48 * 60 * minuteMs);
    bench.expectFiring('inforom_corrupt', {});
    const device = bench.device();
    bench.sample({ devices: [{ ...device, identity: { ...device.identity, serial: 'another' } }] });
    bench.expectClear('inforom_corrupt');
    bench.kernel('NVRM: GPU at PCI:0000:01:00: corrupted infoROM');
    bench.tracker.uncordonDevice('0', 'health:inforom_corrupt');
    bench.expectClear('inforom_corrupt');
  });
});

describe('pcie_aer', () => {
  const uncorrected =
    'nvidia 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer';
  const corrected =
    'nvidia 0000:01:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)';

  it('pcie_aer fires with one uncorrectable error, named by the device or by a bridge above it', () => {
    const bench = running();
    bench.kernel(uncorrected);
    bench.expectFiring('pcie_aer', { severity: 'warning', advice: 'check_cable' });

    const bridged = running({ host: { bridgesOf: () => ['00000000:00:01.0'], engineOf: () => null } });
    bridged.kernel('pcieport 0000:00:01.0: AER: Uncorrected (Non-Fatal) error received: 0000:00:01.0');
    bridged.expectFiring('pcie_aer', { severity: 'warning' });
  });

  it('pcie_aer fires at 60 corrected errors a minute; the two lines of one error count once', () => {
    const bench = running();
    for (let i = 0; i < 59; i++) {
      bench.kernel('pcieport 0000:00:01.0: AER: Corrected error received: 0000:01:00.0');
      bench.kernel(corrected);
    }
    bench.expectClear('pcie_aer');
    bench.kernel(corrected);
    bench.expectFiring('pcie_aer', { severity: 'warning' });
  });

  it('pcie_aer does not fire for another device', () => {
    const bench = running();
    bench.kernel(uncorrected.replace('0000:01', '0000:0f'));
    expect(bench.tracker.nodeConditions).toEqual([]);
    bench.expectClear('pcie_aer');
  });

  it('pcie_aer clears after an hour without a new one', () => {
    const bench = running();
    bench.kernel(uncorrected);
    quiet(bench, 59 * minuteMs);
    bench.expectFiring('pcie_aer', {});
    quiet(bench, minuteMs);
    bench.expectClear('pcie_aer');
  });
});

describe('sxid', () => {
  it('sxid fires: a fatal one cordons the node, a non-fatal one warns', () => {
    const bench = running();
    bench.kernel('nvidia-nvswitch1: SXid (PCI:0000:06:00.0): 20009, Non-fatal, Link 27 RX Short Error Rate');
    expect(bench.nodeCondition('sxid')).toMatchObject({ severity: 'warning', action: 'none' });
    expect(bench.tracker.nodeCordons).toEqual([]);
    bench.kernel('nvidia-nvswitch1: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 48 LTSSM Fault Up');
    expect(bench.nodeCondition('sxid')).toMatchObject({ severity: 'critical', action: 'reboot-node' });
    expect(bench.tracker.nodeCordons).toMatchObject([{ holder: 'health:sxid' }]);
  });

  it('sxid clears with a boot', () => {
    const bench = running();
    bench.kernel('nvidia-nvswitch1: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 48 LTSSM Fault Up');
    quiet(bench, 60 * minuteMs);
    const again = running({ restored: bench.stored ?? undefined });
    expect(again.nodeCondition('sxid')).toBeDefined();
    const booted = running({ restored: bench.stored ?? undefined, bootId: 'boot-2' });
    expect(booted.nodeCondition('sxid')).toBeUndefined();
    expect(booted.tracker.nodeCordons).toEqual([]);
  });
});

describe('hung_task', () => {
  const hung = 'INFO: task nvidia-smi:4711 blocked for more than 120 seconds.';

  it('hung_task fires when the driver stands in the stack, within 20 lines', () => {
    const bench = running();
    bench.kernel('INFO: task jbd2:77 blocked for more than 120 seconds.', { seq: 100 });
    bench.kernel(' ? nvidia_ioctl+0x1/0x2 [nvidia]', { seq: 121 });
    expect(bench.nodeCondition('hung_task')).toBeUndefined();
    bench.kernel('watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [python3:99]', { seq: 200 });
    bench.kernel(' os_acquire_spinlock+0x1a/0x30 [nvidia]', { seq: 215 });
    expect(bench.nodeCondition('hung_task')).toMatchObject({ severity: 'warning' });
    expect(bench.status.health).toBe('healthy');
  });

  it('hung_task clears after ten quiet minutes', () => {
    const bench = running();
    bench.kernel(hung);
    expect(bench.nodeCondition('hung_task')).toBeDefined();
    quiet(bench, 9 * minuteMs);
    expect(bench.nodeCondition('hung_task')).toBeDefined();
    quiet(bench, minuteMs);
    expect(bench.nodeCondition('hung_task')).toBeUndefined();
  });
});

describe('oom_kill', () => {
  const host = {
    bridgesOf: () => [],
    engineOf: (pid: number) => (pid === 4711 ? { engineId: 'chat-0', deviceUuids: [deviceUuid(0)] } : null),
  };
  const line = 'Out of memory: Killed process 4711 (VLLM::Worker) total-vm:1kB, anon-rss:1kB';

  it('oom_kill fires for a process of a supervised engine only, and keeps the GPU in service', () => {
    const bench = running({ host });
    bench.kernel(line.replace('4711', '5'));
    bench.expectClear('oom_kill');
    bench.kernel(line);
    bench.expectFiring('oom_kill', { severity: 'warning', action: 'restart-engine' });
    expect(bench.status).toMatchObject({ health: 'healthy', cordons: [] });
    expect(bench.faults.at(-1)).toMatchObject({ drain: 'restart-engine', pid: 4711 });
  });

  it('oom_kill clears when the engine has started anew', () => {
    const bench = running({ host });
    bench.kernel(
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),task_memcg=/x,task=python3,pid=4711,uid=0',
    );
    bench.expectFiring('oom_kill', {});
    bench.tracker.noteEngineRestarted([deviceUuid(0)]);
    bench.expectClear('oom_kill');
  });
});

describe('driver_version_mismatch', () => {
  const line =
    'NVRM: API mismatch: the client has the version 580.65.06, but this kernel module has the version 570.86.15.';

  it('driver_version_mismatch fires from the log', () => {
    const bench = running();
    bench.kernel(line);
    expect(bench.nodeCondition('driver_version_mismatch')).toMatchObject({
      severity: 'critical',
      action: 'reboot-node',
    });
  });

  it('driver_version_mismatch clears when the driver can be opened', () => {
    const bench = running();
    bench.kernel(line);
    bench.sample({
      driver: { state: 'init-failed', reason: 'NVML_ERROR_LIB_RM_VERSION_MISMATCH' },
      devices: [],
    });
    expect(bench.nodeCondition('driver_version_mismatch')).toBeDefined();
    bench.sample();
    expect(bench.nodeCondition('driver_version_mismatch')).toBeUndefined();
  });
});

describe('kmsg_overrun', () => {
  it('kmsg_overrun fires when records were lost', () => {
    const bench = running();
    bench.tracker.kernelRecordsLost(17);
    expect(bench.nodeCondition('kmsg_overrun')).toMatchObject({
      severity: 'warning',
      reason: '17 records of the kernel log were lost',
    });
  });

  it('kmsg_overrun clears at the next look', () => {
    const bench = running();
    bench.tracker.kernelRecordsLost(17);
    bench.tracker.tick();
    expect(bench.nodeCondition('kmsg_overrun')).toBeUndefined();
  });
});

describe('event_set_broken', () => {
  it('event_set_broken fires when waiting for events fails', () => {
    const bench = running();
    bench.tracker.eventSetBroken(true);
    expect(bench.nodeCondition('event_set_broken')).toMatchObject({ severity: 'warning' });
    quiet(bench, 60 * minuteMs);
    expect(bench.nodeCondition('event_set_broken')).toBeDefined();
  });

  it('is a drill on a node of drills, as is a loss of records', () => {
    const bench = running({ drill: true });
    bench.tracker.eventSetBroken(true);
    bench.tracker.kernelRecordsLost(3);
    for (const check of ['event_set_broken', 'kmsg_overrun'])
      expect(bench.nodeCondition(check)).toMatchObject({ drill: true });
    expect(bench.entries.filter(({ kind }) => kind === 'fault').map(({ drill }) => drill)).toEqual([
      true,
      true,
    ]);
  });

  it('event_set_broken clears when a new set is registered', () => {
    const bench = running();
    bench.tracker.eventSetBroken(true);
    bench.tracker.eventSetBroken(false);
    expect(bench.nodeCondition('event_set_broken')).toBeUndefined();
  });
});
