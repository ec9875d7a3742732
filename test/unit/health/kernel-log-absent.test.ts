/** A kernel log that is not read: the checks that have no other source are unsupported, never healthy. */
import { describe, expect, it } from 'vitest';
import { emptyDetails } from '../../../src/domain/device-details.js';
import { kernelLogChecks } from '../../../src/health/kernel-log-checks.js';
import { HealthBench } from './health-bench.js';

function running(options: ConstructorParameters<typeof HealthBench>[0] = {}): HealthBench {
  const bench = new HealthBench(options);
  bench.sample();
  return bench;
}

describe('a kernel log that is not read', () => {
  const { device, node } = kernelLogChecks({});
  const silent = (bench: HealthBench): readonly string[] => [
    ...(bench.status.unsupportedChecks ?? []),
    ...bench.tracker.unsupportedNodeChecks,
  ];

  it('leaves these without a source, by the data', () => {
    expect([...device, ...node].sort()).toEqual([
      'fallen_off_log',
      'gsp_timeout_storm',
      'hung_task',
      'kmsg_overrun',
      'oom_kill',
      'pcie_aer',
      'rm_init_failed',
      'sxid',
    ]);
  });

  it.each(['off', 'absent', 'unreadable'] as const)('%s: they are unsupported until it is read', (state) => {
    const bench = running();
    expect(silent(bench)).not.toEqual(expect.arrayContaining(device));
    bench.tracker.kernelLogIs(state);
    // A device that comes later lacks them too.
    bench.sample({ devices: [bench.device(0), bench.device(1)] });
    for (const { unsupportedChecks } of bench.devices)
      expect(unsupportedChecks).toEqual(expect.arrayContaining(device));
    expect(bench.tracker.unsupportedNodeChecks).toEqual(expect.arrayContaining(node));
    expect(bench.status.health).toBe('healthy');
    bench.tracker.kernelLogIs('reading');
    bench.sample();
    expect(silent(bench).filter((check) => [...device, ...node].includes(check))).toEqual([]);
  });

  it('where the driver sends no Xids either, these are unsupported too', () => {
    const bench = running();
    const deaf = bench.device(0, { details: { ...emptyDetails, eventTypes: 0 } });
    bench.sample({ devices: [deaf] });
    expect(bench.status.unsupportedChecks).not.toContain('xid');
    bench.tracker.kernelLogIs('off');
    expect(bench.status.unsupportedChecks).toEqual(expect.arrayContaining(['xid', 'xid_after_reset']));
    bench.sample({ devices: [bench.device(0, { details: { ...emptyDetails, eventTypes: 0x8 } })] });
    expect(bench.status.unsupportedChecks).not.toContain('xid');
  });

  it('what has fired before stays, and a check that is switched off is not named', () => {
    const bench = running();
    bench.kernel('NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.');
    bench.tracker.kernelLogIs('unreadable');
    bench.expectFiring('fallen_off_log', { severity: 'fatal' });
    bench.tracker.reconfigure({ hung_task: { enabled: false } });
    expect(bench.tracker.unsupportedNodeChecks).not.toContain('hung_task');
  });
});
