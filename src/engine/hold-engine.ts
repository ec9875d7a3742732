/**
 * What the health of its devices means for an engine. A device that turns unhealthy for a fatal reason takes the engine
 * with it at once; any other unhealthy device lets it finish. Either way the engine is held until all its devices are
 * healthy and health has lifted its cordons: `degraded` or `unknown` alone neither ends nor frees an engine.
 */
import type { DeviceStatus } from '../domain/device.js';

export interface Hold {
  kind: 'drain' | 'evict';
  /** Names the device and its fault. */
  reason: string;
}

/** `devices` are those of the engine that the node knows now. */
export function holdOf(devices: readonly DeviceStatus[], current: Hold | null): Hold | null {
  const unhealthy = devices.filter((device) => device.health === 'unhealthy');
  const fatal = unhealthy.find((device) => device.severity === 'fatal');
  if (fatal) return current?.kind === 'evict' ? current : { kind: 'evict', reason: describe(fatal) };
  if (unhealthy[0]) return current ?? { kind: 'drain', reason: describe(unhealthy[0]) };
  return current && devices.length > 0 && devices.every(isSound) ? null : current;
}

/** Why nothing may start on the device now, or `null`. */
export function whyNoStart(device: DeviceStatus): string | null {
  if (device.health === 'unhealthy') return describe(device);
  const cordon = device.cordons[0];
  return cordon ? `device ${device.identity.index} is cordoned by ${cordon.holder}` : null;
}

function isSound(device: DeviceStatus): boolean {
  return device.health === 'healthy' && !device.cordons.some(({ holder }) => holder.startsWith('health:'));
}

function describe({ identity, reason }: DeviceStatus): string {
  return `device ${identity.index} (${identity.uuid}) is unhealthy: ${reason}`;
}
