/** How a device is set up: modes, MIG, versions. */
import { ok, unknown, type DeviceCheck, type PartVerdict } from './device-check.js';
import { absence, valueCheck, valueOf } from './read-values.js';

const persistenceOff = valueCheck('persistence_off', ['persistenceMode'], ([mode], _, { level }) =>
  mode === level ? 'persistence mode is off' : null,
);

const computeMode = { prohibited: 2, exclusive: 3 };

const computeProhibited = valueCheck('compute_prohibited', ['computeMode'], ([mode], view) => {
  if (mode === computeMode.prohibited)
    return { state: 'firing', severity: 'critical', reason: 'the compute mode forbids work' };
  const uuid = view.sample?.identity.uuid ?? '';
  const engines = view.workload.engines.filter(({ deviceUuids }) => deviceUuids.includes(uuid));
  return mode === computeMode.exclusive && engines.length > 1
    ? {
        state: 'firing',
        severity: 'warning',
        reason: 'the compute mode allows one process, and engines share the device',
      }
    : null;
});

const migPending = valueCheck('mig_pending', ['migMode', 'migPending'], ([current, pending]) =>
  current !== pending ? 'a change of the MIG mode waits for a reset' : null,
);

/** Instances that were there; an operator accepts another layout by acknowledging the condition. */
const migInstanceMissing: DeviceCheck = {
  id: 'mig_instance_missing',
  evaluate(view) {
    const { sample, inventory, stuck } = view;
    if (!sample || sample.error || stuck) return unknown;
    if (valueOf(view, 'migMode') === null) return absence(view, 'migMode');
    const known = inventory.migUuids;
    if (known === null) return absence(view);
    const now = new Set(sample.parts.migs?.map(({ uuid }) => uuid));
    const parts = new Map<string, PartVerdict>(
      known.map((uuid) => [
        `mig ${uuid}`,
        now.has(uuid) ? ok : { state: 'firing', reason: `the MIG instance ${uuid} is gone` },
      ]),
    );
    return { state: 'parts', parts };
  },
};

/** Among the devices of one part number. Configured: versions allowed. */
const driverDrift: DeviceCheck = {
  id: 'driver_drift',
  evaluate(view, { level }) {
    const { sample, siblings } = view;
    if (!sample || sample.error) return unknown;
    const { partNumber } = sample.versions;
    const { vbios, inforom } = sample.versions;
    if (vbios === null && inforom === null) return absence(view);
    const alike = siblings.filter(({ versions }) => versions.partNumber === partNumber);
    for (const name of ['vbios', 'inforom'] as const) {
      const found = new Set(alike.flatMap(({ versions }) => versions[name] ?? []));
      if (found.size > level)
        return {
          state: 'firing',
          reason: `devices of one kind have ${name} versions ${[...found].sort().join(', ')}`,
        };
    }
    return ok;
  },
};

export const configChecks: readonly DeviceCheck[] = [
  persistenceOff,
  computeProhibited,
  migPending,
  migInstanceMissing,
  driverDrift,
];
