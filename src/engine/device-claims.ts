/** Who has which device: a device belongs to one engine, to the one that has it now or is configured for it. */
import type { DeviceReading, DeviceStatus } from '../domain/device.js';
import type { Logger } from '../runtime/logger.js';
import { AttachedEngine } from './attached-engine.js';
import { chooseDevices, type DeviceChoice } from './choose-devices.js';
import type { EngineSupervisor } from './engine-supervisor.js';

export type Engine = EngineSupervisor | AttachedEngine;

export interface DeviceLookup {
  /** UUID of a device by UUID or index, `null` when the node does not know it. */
  resolveDevice: (ref: string) => string | null;
  /** UUIDs that may be given to new work: healthy and without cordon. */
  freeDevices: () => readonly string[];
}

export class DeviceClaims {
  /** The latest news; empty before the first. */
  devices: readonly DeviceStatus[] = [];
  readonly #lookup: DeviceLookup;
  readonly #engines: () => readonly Engine[];
  #haveJudged = false;

  constructor(lookup: DeviceLookup, engines: () => readonly Engine[]) {
    this.#lookup = lookup;
    this.#engines = engines;
  }

  /** Devices for a start of the engine, or why there are none. */
  choose(id: string, refs: readonly string[], gpus: number): DeviceChoice {
    return chooseDevices({
      refs,
      gpus,
      resolve: (ref) => this.#lookup.resolveDevice(ref),
      free: () => this.#lookup.freeDevices(),
      ownerOf: (uuid) => this.#ownerOf(uuid, id),
      statusOf: (uuid) => this.devices.find((device) => device.identity.uuid === uuid),
    });
  }

  /** Known devices that the engine has, or, while it is down, those that it would get. */
  devicesOf(engine: Engine): DeviceStatus[] {
    const uuids = this.#uuidsOf(engine);
    return this.devices.filter((device) => uuids.includes(device.identity.uuid));
  }

  readingOf(uuid: string): DeviceReading | null {
    return this.devices.find(({ identity }) => identity.uuid === uuid)?.reading ?? null;
  }

  nameOf(uuid: string): string | null {
    return this.devices.find(({ identity }) => identity.uuid === uuid)?.identity.name ?? null;
  }

  /** Those that the node knows. */
  resolveAll(refs: readonly string[]): string[] {
    return refs.map((ref) => this.#lookup.resolveDevice(ref)).filter((uuid) => uuid !== null);
  }

  /** Once, when the devices are known: the configuration alone cannot tell that an index and a UUID are one device. */
  warnOfContests(logger: Logger): void {
    if (this.#haveJudged || this.devices.length === 0) return;
    this.#haveJudged = true;
    const owners = new Map<string, string>();
    for (const engine of this.#engines()) {
      if (engine instanceof AttachedEngine) continue;
      for (const uuid of new Set(this.resolveAll(engine.record.devices))) {
        const owner = owners.get(uuid);
        if (owner === undefined) owners.set(uuid, engine.id);
        else
          logger.error(
            { device: uuid, engines: [owner, engine.id] },
            `engines "${owner}" and "${engine.id}" are configured for one device, by index and by UUID, and keep each other from starting; give each its own`,
          );
      }
    }
  }

  #uuidsOf(engine: Engine): readonly string[] {
    if (engine instanceof AttachedEngine) return engine.status.deviceUuids;
    if (engine.run) return engine.run.deviceUuids;
    const named = this.resolveAll(engine.record.devices);
    return named.length > 0 ? named : engine.status.deviceUuids;
  }

  #ownerOf(uuid: string, besides: string): string | null {
    for (const engine of this.#engines()) {
      if (engine.id === besides) continue;
      const { state, deviceUuids } = engine.status;
      const has = state !== 'stopped' && deviceUuids.includes(uuid);
      const configured =
        !(engine instanceof AttachedEngine) && this.resolveAll(engine.record.devices).includes(uuid);
      if (has || configured) return engine.id;
    }
    return null;
  }
}
