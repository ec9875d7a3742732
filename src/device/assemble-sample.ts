/** From what a sampler's snapshot says, and what is remembered of devices that it could not read, to a `NodeSample`. */
import { emptyDriverReadings } from '../domain/device-details.js';
import type { DeviceSample, DriverState, NodeSample } from '../domain/device.js';
import type { RawDevice, RawSnapshot } from '../native/nvml.js';
import type { StuckCall } from './sampler-lineup.js';

export interface SampleInputs {
  raw: RawSnapshot | null;
  stuck: readonly StuckCall[];
  /** Devices that the current sampler leaves out. */
  skip: ReadonlySet<number>;
  /** What the driver is while no sampler speaks for it; `null` while one is being started. */
  without: DriverState | null;
  nowMs: number;
}

/** Remembers who stood at which index, because a device that hangs or is lost does not tell its name any more. */
export class SampleAssembler {
  #last: NodeSample | null = null;
  /** By index; kept over times without a driver. */
  #known = new Map<number, DeviceSample & { readAtMs: number }>();

  get last(): NodeSample | null {
    return this.#last;
  }

  /**
   * False while devices are still to be read for the first time: a sample without them would say that they are missing.
   * A device whose call hangs is not waited for.
   */
  isWhole(inputs: SampleInputs): boolean {
    const { raw, stuck, skip } = inputs;
    if (!raw && inputs.without) return true;
    if (!raw?.driver) return stuck.some(({ deviceIndex }) => deviceIndex === null);
    const accounted = new Set([...skip, ...raw.devices.map(({ index }) => index)]);
    for (const { deviceIndex } of stuck) if (deviceIndex !== null) accounted.add(deviceIndex);
    return [...accounted].filter((index) => index < raw.listedDevices).length === raw.listedDevices;
  }

  assemble(inputs: SampleInputs): NodeSample {
    const { raw, stuck, nowMs } = inputs;
    const driver = raw?.driver ?? this.#driverWithout(inputs);
    const answered = raw?.driver ?? inputs.without;
    const devices = answered && driver.state !== 'ok' ? [] : this.#devices(inputs);
    this.#last = {
      driver,
      devices,
      readings: raw?.readings ?? emptyDriverReadings,
      stuck: stuck.map(({ deviceIndex, call, sinceMs }) => ({
        deviceIndex,
        deviceUuid: deviceIndex === null ? null : (this.#known.get(deviceIndex)?.identity.uuid ?? null),
        call,
        forMs: Math.max(0, nowMs - sinceMs),
      })),
      takenAtMs: nowMs,
    };
    return this.#last;
  }

  /** The driver is being opened, or there is no sampler. */
  #driverWithout({ raw, stuck, without, nowMs }: SampleInputs): DriverState {
    const call = stuck.find(({ deviceIndex }) => deviceIndex === null);
    if (raw && call)
      return {
        state: 'init-failed',
        reason: `${call.call} has not returned for ${Math.round((nowMs - call.sinceMs) / 1000)} s`,
      };
    return without ?? this.#last?.driver ?? { state: 'init-failed', reason: 'the sampler is not running' };
  }

  #devices(inputs: SampleInputs): DeviceSample[] {
    const { raw, nowMs } = inputs;
    const read = (raw?.devices ?? []).flatMap((device) => this.#named(device));
    const uuids = new Set(read.map(({ identity }) => identity.uuid));
    const indices = new Set(raw?.devices.map(({ index }) => index));
    const kept = [...this.#known.values()]
      .filter(({ identity }) => !uuids.has(identity.uuid) && !indices.has(identity.index))
      .filter(({ identity }) => this.#isAwaited(identity.index, inputs))
      .map(({ readAtMs, ...device }) => ({ ...device, ageMs: nowMs - readAtMs }));
    const devices = [...read, ...kept].sort((a, b) => a.identity.index - b.identity.index);
    this.#known = new Map(devices.map((d) => [d.identity.index, { ...d, readAtMs: nowMs - d.ageMs }]));
    return devices;
  }

  /** Left out, stuck, or not read yet: the driver would list it. A device beyond the driver's count is gone. */
  #isAwaited(index: number, { raw, stuck, skip }: SampleInputs): boolean {
    if (!raw?.driver || skip.has(index) || stuck.some(({ deviceIndex }) => deviceIndex === index))
      return true;
    return index < raw.listedDevices;
  }

  /** A device without a handle has the name that stood at its index before; one never seen before has none and is left out. */
  #named({ index, identity, ...rest }: RawDevice): DeviceSample[] {
    const name = identity ?? this.#known.get(index)?.identity;
    return name ? [{ identity: name, ...rest }] : [];
  }
}
