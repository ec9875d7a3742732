/**
 * Checks of the node as a whole: files of a directory that stands for the host's root are read by the real reader, the real
 * tracker judges them, and the clock moves only here.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emptyDriverReadings } from '../../../src/domain/device-details.js';
import type { NodeSample } from '../../../src/domain/device.js';
import { hasSourceValidation } from '../../../src/node/read-pci.js';
import { HostBench, hostCheck, meminfo } from './host-bench.js';

const unusable = (reason: string): Partial<NodeSample> => ({
  driver: { state: 'init-failed', reason: `nvmlInit_v2 answered ${reason}` },
  devices: [],
});

hostCheck(
  'driver_not_loaded',
  async (bench) => {
    await bench.after(15, unusable('NVML_ERROR_DRIVER_NOT_LOADED'));
    bench.expectNode('driver_not_loaded', { severity: 'fatal', advice: 'check_driver' });
  },
  (bench) => bench.after(15),
);

it('a node without a GPU on the bus has no GPU, and is not unhealthy', async () => {
  const bench = new HostBench();
  bench.remove('sys/bus/pci/devices/0000:01:00.0');
  bench.write('sys/bus/pci/devices/0000:00:02.0/vendor', '0x8086\n');
  await bench.after(15, unusable('NVML_ERROR_DRIVER_NOT_LOADED'));
  expect(bench.tracker.nodeConditions).toEqual([]);
});

hostCheck(
  'driver_version_mismatch',
  async (bench) => {
    await bench.after(15, unusable('NVML_ERROR_LIB_RM_VERSION_MISMATCH'));
    bench.expectNode('driver_version_mismatch', { severity: 'critical', action: 'reboot-node' });
    expect(bench.node('driver_not_loaded')).toEqual([]);
  },
  (bench) => bench.after(15),
);

hostCheck(
  'gpu_missing',
  async (bench) => {
    bench.gpu('0000:02:00.0');
    await bench.after(15);
    bench.expectNode('gpu_missing', { severity: 'fatal', action: 'reboot-node' });
    expect(bench.node('gpu_missing')[0]?.reason).toContain('00000000:02:00.0');
  },
  async (bench) => {
    bench.remove('sys/bus/pci/devices/0000:02:00.0');
    await bench.after(15);
  },
);

it('a GPU that a driver exclusion list hides is not missing', async () => {
  const bench = new HostBench();
  bench.gpu('0000:02:00.0');
  await bench.after(15, { readings: { ...emptyDriverReadings, excludedDevices: 1 } });
  expect(bench.node('gpu_missing')).toEqual([]);
});

const confidential = (ready: number): Partial<NodeSample> => ({
  readings: { ...emptyDriverReadings, confidentialFeature: 1, confidentialReady: ready },
});

hostCheck(
  'cc_not_ready',
  async (bench) => {
    await bench.after(15, confidential(0));
    await bench.after(119, confidential(0));
    expect(bench.node('cc_not_ready')).toEqual([]);
    await bench.after(1, confidential(0));
    bench.expectNode('cc_not_ready', { severity: 'critical', advice: 'fix_config' });
  },
  (bench) => bench.after(15, confidential(1)),
);

/** Extended configuration space with one capability before ACS. */
function configSpace(sourceValidation: boolean): Buffer {
  const config = Buffer.alloc(4096);
  config.writeUInt32LE((0x140 << 20) | (1 << 16) | 0x01, 0x100);
  config.writeUInt32LE((1 << 16) | 0x0d, 0x140);
  config.writeUInt16LE(sourceValidation ? 1 : 0, 0x146);
  return config;
}

const bridge = 'sys/bus/pci/devices/0000:00:01.0';
hostCheck(
  'pci_acs',
  async (bench) => {
    bench.write(`${bridge}/config`, configSpace(true));
    await bench.after(86_400);
    bench.expectNode('pci_acs', { severity: 'info', advice: 'fix_config' });
  },
  async (bench) => {
    bench.write(`${bridge}/config`, configSpace(false));
    await bench.after(86_400);
  },
  (bench) => {
    bench.gpu('0000:02:00.0');
    bench.write(`${bridge}/vendor`, '0x8086\n');
    bench.write(`${bridge}/class`, '0x060400\n');
    bench.write(`${bridge}/config`, configSpace(false));
  },
);

it('configuration space that makes no sense is read to an end', () => {
  const loop = Buffer.alloc(4096);
  loop.writeUInt32LE((0x100 << 20) | 0x01, 0x100);
  expect(hasSourceValidation(loop)).toBe(false);
  expect(hasSourceValidation(Buffer.alloc(256))).toBe(false);
});

const blocked = (state: string): string =>
  `77 (VLLM::Worker (0)) ${state} 1 77 77 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 4242 1 1`;

hostCheck(
  'd_state',
  async (bench) => {
    bench.write('proc/77/stat', blocked('D'));
    mkdirSync(join(bench.root, 'proc/77/fd'), { recursive: true });
    symlinkSync('/dev/nvidia0', join(bench.root, 'proc/77/fd/9'));
    await bench.times(6, 60);
    expect(bench.node('d_state')).toEqual([]);
    await bench.after(60);
    bench.expectNode('d_state', { severity: 'critical', action: 'reboot-node' });
    expect(bench.node('d_state')[0]?.reason).toContain('VLLM::Worker (0) (77)');
  },
  async (bench) => {
    bench.write('proc/77/stat', blocked('S'));
    await bench.after(60);
  },
);

hostCheck(
  'host_memory',
  async (bench) => {
    bench.write('proc/meminfo', meminfo(0.04));
    await bench.after(15);
    bench.expectNode('host_memory', { severity: 'warning', action: 'none' });
  },
  async (bench) => {
    bench.write('proc/meminfo', meminfo(0.08));
    await bench.after(15);
    bench.expectNode('host_memory', {});
    bench.write('proc/meminfo', meminfo(0.2));
    await bench.after(15);
  },
);

it('memory pressure alone fires too', async () => {
  const bench = new HostBench();
  bench.write(
    'proc/pressure/memory',
    'some avg10=1 avg60=20.00 avg300=1 total=1\nfull avg10=1 avg60=10.50 avg300=1 total=1\n',
  );
  await bench.after(15);
  bench.expectNode('host_memory', { severity: 'warning' });
});

hostCheck(
  'disk_low',
  async (bench) => {
    bench.freeRatio = 0.04;
    await bench.after(60);
    bench.expectNode('disk_low', { severity: 'warning', part: 'disk /models' });
  },
  async (bench) => {
    bench.freeRatio = 0.07;
    await bench.after(60);
    bench.expectNode('disk_low', {});
    bench.freeRatio = 0.09;
    await bench.after(60);
  },
);

hostCheck(
  'peermem_missing',
  async (bench) => {
    bench.port(true);
    await bench.after(60);
    bench.expectNode('peermem_missing', { severity: 'info', advice: 'fix_config' });
  },
  async (bench) => {
    bench.write('sys/module/nvidia_peermem/refcnt', '0');
    await bench.after(60);
  },
);

const unit = 'sys/fs/cgroup/system.slice/nvidia-fabricmanager.service/cgroup.procs';
hostCheck(
  'fabricmanager_down',
  async (bench) => {
    bench.write(unit, '');
    await bench.after(60);
    bench.expectNode('fabricmanager_down', { severity: 'critical', advice: 'restart_service' });
  },
  async (bench) => {
    bench.write(unit, '4711\n');
    await bench.after(60);
  },
  (bench) => {
    bench.write('proc/driver/nvidia-nvswitch/devices/0', '');
    bench.write(unit, '4711\n');
  },
);

hostCheck(
  'ib_port_down',
  async (bench) => {
    bench.port(false);
    await bench.after(10);
    await bench.times(23, 10);
    expect(bench.node('ib_port_down')).toEqual([]);
    await bench.after(10);
    bench.expectNode('ib_port_down', { severity: 'critical', advice: 'check_cable', part: 'port mlx5_0/1' });
  },
  async (bench) => {
    bench.port(true);
    await bench.after(10);
    await bench.after(590);
    bench.expectNode('ib_port_down', {});
    await bench.after(10);
  },
  (bench) => bench.port(true),
);

it('three flaps in twelve hours fire, and a port that was never active is not missed', async () => {
  const bench = new HostBench();
  bench.port(false);
  await bench.after(600);
  expect(bench.node('ib_port_down')).toEqual([]);
  bench.port(true);
  await bench.after(10);
  for (let flap = 0; flap < 3; flap++) {
    bench.port(false);
    await bench.times(4, 10);
    bench.port(true);
    await bench.after(10);
  }
  bench.expectNode('ib_port_down', { severity: 'critical' });
});

it('an expected port that is not there after a reboot is down', async () => {
  const before = new HostBench();
  before.port(true);
  await before.after(10);
  const after = new HostBench({ restored: before.stored!, bootId: 'boot-2' });
  await after.after(10);
  await after.after(240);
  after.expectNode('ib_port_down', { part: 'port mlx5_0/1' });
});

hostCheck(
  'ib_port_errors',
  async (bench) => {
    bench.port(true, { link_downed: 1 });
    await bench.after(10);
    bench.expectNode('ib_port_errors', { severity: 'warning', advice: 'check_cable' });
  },
  async (bench) => {
    await bench.times(60, 60);
    bench.expectNode('ib_port_errors', {});
    await bench.times(3, 60);
  },
  (bench) => bench.port(true),
);

it('one bad port neither hides nor taints another, of its own check or of another one', async () => {
  const bench = new HostBench();
  const devices = ['mlx5_0', 'mlx5_1', 'mlx5_2'];
  for (const device of devices) bench.port(true, {}, device);
  await bench.after(60);
  bench.port(false, {}, 'mlx5_0');
  bench.port(true, { link_downed: 1 }, 'mlx5_1');
  await bench.after(10);
  await bench.after(240);
  const parts = (check: string) => bench.node(check).map(({ part }) => part);
  expect([parts('ib_port_down'), parts('ib_port_errors')]).toEqual([['port mlx5_0/1'], ['port mlx5_1/1']]);
  bench.port(true, {}, 'mlx5_0');
  await bench.after(10);
  await bench.after(600);
  expect([parts('ib_port_down'), parts('ib_port_errors')]).toEqual([[], ['port mlx5_1/1']]);
});

it('counters of a port that go backwards are no growth', async () => {
  const bench = new HostBench();
  bench.port(true, { symbol_error: 1e6, link_downed: 7 });
  await bench.after(60);
  bench.port(true, { symbol_error: 3, link_downed: 0 });
  await bench.times(2, 60);
  expect(bench.node('ib_port_errors')).toEqual([]);
});

it('a counter that is stuck at its maximum says nothing', async () => {
  const bench = new HostBench();
  bench.port(true, { symbol_error: 10 });
  await bench.after(10);
  bench.port(true, { symbol_error: 0xffff_ffff });
  await bench.times(3, 60);
  expect(bench.node('ib_port_errors')).toEqual([]);
});

it('what this host has no source for is unsupported, never healthy', async () => {
  const bench = new HostBench();
  await bench.after(60);
  expect(bench.tracker.unsupportedNodeChecks).toEqual(
    expect.arrayContaining([
      'fabricmanager_down',
      'ib_port_down',
      'ib_port_errors',
      'peermem_missing',
      'pci_acs',
    ]),
  );
});
