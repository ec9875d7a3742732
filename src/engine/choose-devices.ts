/** Which devices an engine gets at a start, or why it gets none. Pure. */
import type { DeviceStatus } from '../domain/device.js';
import type { ErrorCode } from '../domain/error-codes.js';
import { whyNoStart } from './hold-engine.js';

export type DeviceChoice = { uuids: string[] } | { blocked: string; code: ErrorCode };

export interface DeviceRequest {
  /** UUIDs or indices; empty: `gpus` free ones. */
  refs: readonly string[];
  gpus: number;
  resolve: (ref: string) => string | null;
  /** UUIDs that the device side would give to new work. */
  free: () => readonly string[];
  /** Engine that has, or is configured for, the device; `null` when nobody else. */
  ownerOf: (uuid: string) => string | null;
  statusOf: (uuid: string) => DeviceStatus | undefined;
}

export function chooseDevices(request: DeviceRequest): DeviceChoice {
  return request.refs.length > 0 ? chosenByName(request) : anyFree(request);
}

function chosenByName({ refs, resolve, ownerOf, statusOf }: DeviceRequest): DeviceChoice {
  const uuids: string[] = [];
  for (const ref of refs) {
    const uuid = resolve(ref);
    if (uuid === null) return { blocked: `device ${ref} is not known on this node`, code: 'device-unknown' };
    if (uuids.includes(uuid))
      return {
        blocked: `device ${ref} is named twice, by index and UUID; name it once`,
        code: 'device-in-use',
      };
    const owner = ownerOf(uuid);
    if (owner !== null)
      return { blocked: `device ${ref} is in use by engine "${owner}"`, code: 'device-in-use' };
    // A device without status is not judged: no news is no reason to keep an engine down.
    const status = statusOf(uuid);
    const reason = status ? whyNoStart(status) : null;
    if (reason !== null) return { blocked: reason, code: 'engine-wrong-state' };
    uuids.push(uuid);
  }
  return { uuids };
}

function anyFree({ gpus, free, ownerOf, statusOf }: DeviceRequest): DeviceChoice {
  if (gpus === 0) return { uuids: [] };
  const usable = free().filter((uuid) => {
    const status = statusOf(uuid);
    return ownerOf(uuid) === null && !(status && whyNoStart(status));
  });
  if (usable.length >= gpus) return { uuids: usable.slice(0, gpus) };
  return { blocked: `expected ${gpus} free devices, found ${usable.length}`, code: 'device-in-use' };
}
