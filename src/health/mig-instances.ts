/** MIG: what is wrong with one instance is told of it, and hides and taints no other. */
import type { MigInstance } from '../domain/device-details.js';
import type { InstanceStatus } from '../domain/device.js';
import { gpuInstancePart, type Condition } from '../domain/health.js';
import { deriveHealth } from './derive-health.js';

const ofInstance = /^(?:GPU instance \d+|mig .*)$/;

/** A condition of the whole device, or of a link that all share, concerns every instance. */
export function instanceStatuses(
  migs: readonly MigInstance[],
  conditions: readonly Condition[],
  unknownReason: string | null,
): InstanceStatus[] {
  return migs.map(({ uuid, gpuInstance, computeInstance }) => {
    const own = new Set([gpuInstancePart(gpuInstance), `mig ${uuid}`]);
    const concerning = conditions.filter(({ part = '' }) => !ofInstance.test(part) || own.has(part));
    const { health, reason } = deriveHealth(concerning, unknownReason);
    return { uuid, gpuInstance, computeInstance, health, reason };
  });
}
