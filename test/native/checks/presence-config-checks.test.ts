/** Checks of presence, modes, MIG, versions and the driver's speed against the simulated library. */
import { expect, it } from 'vitest';
import { check, simulated } from '../../support/check-tests.js';

const lookup = 'nvmlDeviceGetHandleByIndex_v2';
const lost = 15;

/** The handle goes with an answer of "lost" to everything, and the lookup answers that code. */
function lookupFails(code: number) {
  return async (sim: ReturnType<typeof simulated>): Promise<void> => {
    await sim.edit((s) =>
      s.returns.push({ call: '*', device: 0, code: 999 }, { call: lookup, device: 0, code }),
    );
    await sim.edit((s) => void (s.returns = [{ call: lookup, device: 0, code }]));
  };
}
const works = (sim: ReturnType<typeof simulated>): Promise<void> => sim.edit((s) => void (s.returns = []));

check(
  'gpu_lost',
  async (sim) => {
    await sim.edit((s) => void s.returns.push({ call: '*', device: 0, code: lost }));
    sim.expectFiring('gpu_lost', { severity: 'fatal', action: 'reboot-node' });
  },
  works,
);

check(
  'gpu_reset_required',
  async (sim) => {
    await sim.edit((s) => void s.returns.push({ call: 'nvmlDeviceGetTemperature', device: 0, code: 16 }));
    sim.expectFiring('gpu_reset_required', { severity: 'fatal', action: 'reset-device' });
  },
  works,
);

check(
  'gpu_handle_unknown',
  async (sim) => {
    await lookupFails(999)(sim);
    await sim.sample();
    sim.expectFiring('gpu_handle_unknown', { severity: 'critical', action: 'reboot-node' });
    expect(sim.status().health).toBe('unhealthy');
  },
  works,
);

check(
  'power_cable',
  async (sim) => {
    await lookupFails(8)(sim);
    sim.expectFiring('power_cable', { severity: 'fatal', advice: 'contact_support' });
  },
  works,
);

check(
  'gpu_missing',
  async (sim) => {
    await sim.edit((s) => void (s.devices[0]!.vanished = true));
    await sim.reopen();
    sim.expectFiring('gpu_missing', { severity: 'fatal', action: 'reboot-node' });
    const { identity } = sim.status();
    expect([identity.serial, identity.pciBusId]).not.toContain(null);
  },
  async (sim) => {
    await sim.edit((s) => void (s.devices[0]!.vanished = false));
    await sim.reopen();
  },
  { gpus: 2 },
);

check(
  'nvml_slow',
  async (sim) => {
    sim.sweepTakes(1.2);
    await sim.samples(10, 1);
    sim.expectFiring('nvml_slow', { severity: 'warning', action: 'none' });
  },
  async (sim) => {
    sim.sweepTakes(0.6);
    await sim.samples(10, 1);
    sim.expectFiring('nvml_slow');
    sim.sweepTakes(0.1);
    await sim.samples(10, 1);
  },
  { warmUp: 10 },
);

check(
  'persistence_off',
  async (sim) => {
    await sim.set({ persistenceMode: 0 });
    sim.expectFiring('persistence_off', { severity: 'info', advice: 'fix_config' });
    expect(sim.status().health).toBe('healthy');
  },
  (sim) => sim.set({ persistenceMode: 1 }),
);

check(
  'compute_prohibited',
  async (sim) => {
    await sim.set({ computeMode: 2 });
    sim.expectFiring('compute_prohibited', { severity: 'critical', advice: 'fix_config' });
    await sim.set({ computeMode: 3 });
    expect(sim.conditions('compute_prohibited')).toEqual([]);
    sim.workload({ engines: [sim.engine(), sim.engine({ engineId: 'chat-1' })] });
    await sim.sample();
    sim.expectFiring('compute_prohibited', { severity: 'warning' });
  },
  (sim) => sim.set({ computeMode: 0 }),
);

check(
  'mig_pending',
  async (sim) => {
    await sim.set({ migPending: 1 });
    sim.expectFiring('mig_pending', { severity: 'warning', action: 'reset-device' });
  },
  (sim) => sim.set({ migPending: 0 }),
);

const instance = (n: number) => ({
  uuid: `MIG-00000000-0000-0000-0000-00000000000${n}`,
  gpuInstanceId: n,
  computeInstanceId: 0,
  memoryBytes: 10 * 1024 ** 3,
  slices: 1,
});
const two = [instance(1), instance(2)];

check(
  'mig_instance_missing',
  async (sim) => {
    await sim.set({ mig: [two[0]!] });
    sim.expectFiring('mig_instance_missing', {
      severity: 'critical',
      advice: 'fix_config',
      part: `mig ${two[1]!.uuid}`,
    });
  },
  (sim) => sim.set({ mig: two }),
  { set: { migMode: 1, mig: two } },
);

it('an operator who acknowledges a missing instance accepts the new layout', async () => {
  const sim = simulated({ set: { migMode: 1, mig: two } });
  await sim.sample();
  await sim.set({ mig: [two[0]!] });
  sim.tracker.uncordonDevice('0', 'health:mig_instance_missing');
  await sim.samples(3, 1);
  sim.expectClear('mig_instance_missing');
});

check(
  'driver_drift',
  async (sim) => {
    await sim.edit((s) => void (s.devices[1]!.set.vbiosVersion = '96.00.99.00.01'));
    await sim.reopen();
    sim.expectFiring('driver_drift', { severity: 'warning', action: 'none' });
    expect(sim.conditions('driver_drift')[0]?.reason).toContain('96.00.99.00.01');
  },
  async (sim) => {
    await sim.edit((s) => void delete s.devices[1]!.set.vbiosVersion);
    await sim.reopen();
  },
  { gpus: 2 },
);

it.each([
  ['535', ['gpu_unavailable_event', 'memory_unrepairable', 'recovery_action', 'repair_pending']],
  ['550', ['gpu_unavailable_event', 'memory_unrepairable', 'recovery_action', 'repair_pending']],
  ['570', ['memory_unrepairable', 'repair_pending']],
  ['580', ['memory_unrepairable']],
] as const)(
  'driver %s: what it lacks is unsupported, and the device still healthy',
  async (driver, lacks) => {
    const sim = simulated({ driver });
    await sim.samples(2, 1);
    expect(sim.status().unsupportedChecks).toEqual(expect.arrayContaining([...lacks]));
    expect(sim.status().health).toBe('healthy');
    expect(sim.status().conditions).toEqual([]);
  },
);
