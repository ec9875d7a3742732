/** Checks of PCIe, NVLink 4 and 5, peers, fabric and C2C links against the simulated library. */
import { expect, it } from 'vitest';
import { check, simulated } from '../../support/check-tests.js';

const minute = 60;
const hour = 3600;
const busy = { gpuUtilizationRatio: 0.9 };

check(
  'pcie_width',
  async (sim) => {
    await sim.set({ pcieLinkWidth: 8 });
    await sim.sample(59);
    sim.expectClear('pcie_width');
    await sim.sample(1);
    sim.expectFiring('pcie_width', { severity: 'critical', advice: 'check_cable' });
  },
  (sim) => sim.set({ pcieLinkWidth: 16 }),
);

it('a board that is wired narrower than the part is as it should be', async () => {
  const sim = simulated();
  sim.gpus.edit((s) => void (s.devices[0]!.set.pcieLinkWidth = 8));
  await sim.samples(3, minute);
  sim.expectClear('pcie_width');
});

check(
  'pcie_speed',
  async (sim) => {
    await sim.set({ ...busy, pcieLinkGeneration: 3 });
    await sim.sample(60);
    sim.expectFiring('pcie_speed', { severity: 'warning', advice: 'check_cable' });
  },
  (sim) => sim.set({ pcieLinkGeneration: 5 }),
);

it('an idle device may lower its link speed', async () => {
  const sim = simulated();
  await sim.set({ gpuUtilizationRatio: 0, performanceState: 8, pcieLinkGeneration: 1 });
  await sim.sample(120);
  sim.expectClear('pcie_speed');
});

check(
  'pcie_replay_rate',
  async (sim) => {
    await sim.set({ pcieReplayCounter: 30 }, { seconds: minute });
    sim.expectClear('pcie_replay_rate');
    await sim.set({ pcieReplayCounter: 62 }, { seconds: minute });
    sim.expectFiring('pcie_replay_rate', { severity: 'warning', advice: 'check_cable' });
  },
  async (sim) => {
    await sim.samples(60, minute);
    sim.expectFiring('pcie_replay_rate');
    await sim.samples(2, minute);
  },
);

check(
  'pcie_recovery_rate',
  async (sim) => {
    await sim.set({ pcieRecoveryCounter: 50 });
    sim.expectClear('pcie_recovery_rate');
    await sim.set({ ...busy, pcieRecoveryCounter: 61 });
    sim.expectFiring('pcie_recovery_rate', { severity: 'warning', advice: 'check_cable' });
  },
  async (sim) => {
    await sim.samples(60, minute);
    sim.expectFiring('pcie_recovery_rate');
    await sim.samples(65, minute);
  },
);

check(
  'pcie_fatal_errors',
  async (sim) => {
    await sim.set({ pcieNonFatalErrors: 1 });
    sim.expectFiring('pcie_fatal_errors', { severity: 'critical', advice: 'check_cable' });
  },
  async (sim) => {
    await sim.samples(24, hour);
    sim.expectFiring('pcie_fatal_errors');
    await sim.samples(2, hour);
  },
);

check(
  'nvlink_down',
  async (sim) => {
    await sim.set({ links: { 3: { active: false } } });
    await sim.sample(59);
    sim.expectClear('nvlink_down');
    await sim.sample(1);
    sim.expectFiring('nvlink_down', { severity: 'critical', action: 'reset-device', part: 'link 3' });
  },
  (sim) => sim.set({ links: {} }),
);

it('each link has a condition of its own, and one that comes back takes only its own along', async () => {
  const sim = simulated();
  await sim.sample();
  await sim.set({ links: { 3: { active: false }, 5: { active: false } } });
  await sim.sample(60);
  expect(sim.conditions('nvlink_down').map(({ part }) => part)).toEqual(['link 3', 'link 5']);
  await sim.set({ links: { 5: { active: false } } });
  sim.expectFiring('nvlink_down', { part: 'link 5' });
});

it('one bad NVLink neither hides nor taints another, of its own check or of another one', async () => {
  const sim = simulated();
  await sim.sample();
  const replays = { 5: { replayErrors: 9 } };
  await sim.set({ links: { 3: { active: false }, ...replays } });
  await sim.sample(60);
  const firing = () => sim.status().conditions.map(({ check, part }) => `${check} ${part}`);
  expect(firing().sort()).toEqual(['nvlink_down link 3', 'nvlink_errors link 5']);
  await sim.set({ links: replays });
  expect(firing()).toEqual(['nvlink_errors link 5']);
});

it('links that MIG switches off are no fault', async () => {
  const sim = simulated();
  await sim.set({ migMode: 1, links: { 3: { active: false } } });
  await sim.sample(120);
  expect(sim.conditions('nvlink_down')).toEqual([]);
});

check(
  'nvlink_errors',
  async (sim) => {
    await sim.set({ links: { 2: { replayErrors: 1 } } }, { seconds: 30 });
    sim.expectClear('nvlink_errors');
    await sim.set({ links: { 2: { replayErrors: 4 } } }, { seconds: 30 });
    sim.expectFiring('nvlink_errors', { severity: 'critical', action: 'reset-device', part: 'link 2' });
  },
  async (sim) => {
    await sim.samples(10, minute);
    sim.expectFiring('nvlink_errors');
    await sim.samples(2, minute);
  },
);

check(
  'nvlink5_errors',
  async (sim) => {
    await sim.set({ fields: { '211:7': 1 } }, { seconds: 30 });
    sim.expectFiring('nvlink5_errors', { severity: 'critical', action: 'reset-device', part: 'link 7' });
  },
  (sim) => sim.samples(12, minute),
  { profile: 'B200-180' },
);

check(
  'nvlink5_ber',
  async (sim) => {
    await sim.set({ fields: { '220:1': 0x20b } });
    sim.expectFiring('nvlink5_ber', { severity: 'critical', advice: 'check_cable', part: 'link 1' });
  },
  async (sim) => {
    await sim.set({ fields: {} });
    await sim.sample(3599);
    sim.expectFiring('nvlink5_ber');
    await sim.sample(1);
  },
  { profile: 'B200-180' },
);

it('a symbol error rate above the floor is a warning', async () => {
  const sim = simulated({ profile: 'B200-180' });
  await sim.sample();
  await sim.set({ fields: { '222:1': 0x30a } });
  sim.expectFiring('nvlink5_ber', { severity: 'warning', part: 'link 1' });
});

it('NVLink 5 counters are unsupported on Hopper, and those of Hopper on Blackwell', async () => {
  const hopper = simulated();
  await hopper.sample();
  expect(hopper.status().unsupportedChecks).toEqual(
    expect.arrayContaining(['nvlink5_errors', 'nvlink5_ber']),
  );
  const blackwell = simulated({ profile: 'B200-180' });
  await blackwell.sample();
  expect(blackwell.status().unsupportedChecks).toContain('nvlink_errors');
});

check(
  'p2p_broken',
  async (sim) => {
    await sim.set({ p2p: { 1: 3 } });
    sim.expectFiring('p2p_broken', { severity: 'warning', action: 'reset-device' });
    expect(sim.conditions('p2p_broken')[0]?.part).toBe(`peer ${sim.gpus.uuids[1]}`);
  },
  (sim) => sim.set({ p2p: {} }),
  { gpus: 3 },
);

check(
  'fabric_not_ready',
  async (sim) => {
    await sim.set({ fabricState: 2 });
    await sim.sample(299);
    sim.expectClear('fabric_not_ready');
    await sim.sample(1);
    sim.expectFiring('fabric_not_ready', { severity: 'critical', advice: 'restart_service' });
  },
  (sim) => sim.set({ fabricState: 3 }),
);

check(
  'fabric_degraded',
  async (sim) => {
    await sim.set({ fabricHealthMask: 0x11a9 });
    sim.expectFiring('fabric_degraded', { severity: 'critical', advice: 'contact_support' });
    expect(sim.conditions('fabric_degraded')[0]?.reason).toContain('bandwidth');
  },
  (sim) => sim.set({ fabricHealthMask: 0x11aa }),
);

it('a driver that takes only the second version of the fabric struct is read too', async () => {
  const sim = simulated({ driver: '550' });
  await sim.set({ fabricHealthMask: 0x11a9 });
  sim.expectFiring('fabric_degraded');
});

check(
  'c2c_link',
  async (sim) => {
    await sim.set({ c2cLinkActive: 0 });
    sim.expectFiring('c2c_link', { severity: 'critical', action: 'reboot-node' });
  },
  (sim) => sim.set({ c2cLinkActive: 1 }),
  { set: { c2cLinkCount: 2 } },
);
