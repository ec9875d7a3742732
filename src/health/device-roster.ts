/**
 * All devices that this node has or had, and the book of the node as a whole. The list outlives what a sample shows: it is kept on disk, so
 * that a device that is missing after a reboot still has a name.
 */
import type { DeviceIdentity, DeviceStatus, NodeSample } from '../domain/device.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { Condition } from '../domain/health.js';
import { BoundedQueue } from '../runtime/bounded-queue.js';
import type { ClassifiedFault } from './classify-fault.js';
import { ConditionBook, type Moment } from './condition-book.js';
import { DeviceRecord } from './device-record.js';
import type { StoredDevice, StoredHealth } from './stored-health.js';

type Stuck = NodeSample['stuck'][number];

/** Faults of devices that no sample has shown yet. */
const maxEarlyFaults = 64;

export class DeviceRoster {
  /** Conditions that no single device has. */
  readonly nodeBook: ConditionBook;
  readonly #records = new Map<string, DeviceRecord>();
  readonly #early = new BoundedQueue<ClassifiedFault>(maxEarlyFaults);
  #node: NodeSample | null = null;
  #silentDeviceChecks: readonly string[] = [];

  readonly #drill: boolean;

  /** `drill`: what is read here is a rehearsal. */
  constructor(restored: StoredHealth | null, sameBoot: boolean, now: Moment, drill = false) {
    this.#drill = drill;
    this.nodeBook = new ConditionBook(drill);
    this.nodeBook.restore(restored?.node ?? [], sameBoot, now);
    for (const stored of restored?.devices ?? []) {
      const record = new DeviceRecord(stored.identity, now.wallMs, { stored, drill });
      record.book.restore(stored.conditions, sameBoot, now);
      if (!sameBoot) record.repeats.noteRepaired();
      this.#records.set(stored.identity.uuid, record);
    }
  }

  /** The newest sample. */
  get node(): NodeSample | null {
    return this.#node;
  }

  get records(): ReadonlyMap<string, DeviceRecord> {
    return this.#records;
  }

  get identities(): DeviceIdentity[] {
    return [...this.#records.values()].map(({ identity }) => identity);
  }

  /** Of the node as a whole, worst first. */
  get nodeConditions(): Condition[] {
    return this.nodeBook.held().map(({ condition }) => condition);
  }

  take(sample: NodeSample, at: Moment): void {
    this.#node = sample;
    const byUuid = new Map(sample.devices.map((device) => [device.identity.uuid, device]));
    for (const { identity } of sample.devices)
      if (!this.#records.has(identity.uuid))
        this.#add(new DeviceRecord(identity, at.wallMs, { drill: this.#drill }), at);
    for (const [uuid, record] of this.#records)
      record.update(byUuid.get(uuid) ?? null, sample, this.stuckOf(uuid) !== null, at.wallMs);
  }

  forget(uuid: string): void {
    this.#records.delete(uuid);
  }

  /** Checks whose source is missing, of every device and of the node. */
  setSilent({ device, node }: { device: readonly string[]; node: readonly string[] }): void {
    this.#silentDeviceChecks = device;
    for (const record of this.#records.values()) record.setSilent(device);
    this.nodeBook.setSilent(node);
  }

  /** In the book of its device, or of the node; of a device that nobody has seen, when a sample shows it. */
  hold(fault: ClassifiedFault, at: Moment): void {
    if (fault.deviceUuid === null) {
      this.nodeBook.hold(fault, at);
      return;
    }
    const record = this.#records.get(fault.deviceUuid);
    if (record) record.book.hold(fault, at);
    else this.#early.push(fault);
  }

  /** A call without a device hangs in the driver as a whole, and speaks for every device. */
  stuckOf(uuid: string): Stuck | null {
    const calls = this.#node?.stuck ?? [];
    return (
      calls.find((call) => call.deviceUuid === uuid) ??
      calls.find((call) => call.deviceUuid === null && this.#isIndexOf(call.deviceIndex, uuid)) ??
      null
    );
  }

  /** By UUID, else by index among the devices that the driver lists now, else among all that are known. Throws `device-unknown`. */
  find(ref: string): DeviceRecord {
    const byUuid = this.#records.get(ref);
    if (byUuid) return byUuid;
    const index = /^\d{1,4}$/.test(ref) ? Number(ref) : -1;
    const listed = this.#node?.devices.find((device) => device.identity.index === index)?.identity.uuid;
    const known = [...this.#records.values()].find((record) => record.identity.index === index);
    const record = listed === undefined ? known : this.#records.get(listed);
    if (record) return record;
    const indices = [...this.#records.values()].map(({ identity }) => identity.index).join(', ');
    throw new InfernodeError(
      'device-unknown',
      `expected the UUID or index of a device of this node (${indices || 'none'}), got "${ref.slice(0, 80)}"`,
    );
  }

  statuses(at: Moment): DeviceStatus[] {
    return [...this.#records.values()]
      .map((record) => this.statusOf(record, at))
      .sort((a, b) => a.identity.index - b.identity.index || a.identity.uuid.localeCompare(b.identity.uuid));
  }

  statusOf(record: DeviceRecord, at: Moment): DeviceStatus {
    return record.status(this.#unknownReason(record.identity.uuid), at);
  }

  /** For the disk. */
  stored(): StoredDevice[] {
    return [...this.#records.values()].map((record) => record.stored());
  }

  #add(record: DeviceRecord, at: Moment): void {
    const { uuid } = record.identity;
    this.#records.set(uuid, record);
    record.setSilent(this.#silentDeviceChecks);
    for (let left = this.#early.size; left > 0; left--) {
      const fault = this.#early.shift();
      if (fault?.deviceUuid === uuid) record.book.hold(fault, at);
      else if (fault) this.#early.push(fault);
    }
  }

  /** Why nothing can be said of the device now, or `null`. */
  #unknownReason(uuid: string): string | null {
    if (!this.#node) return 'no sample yet';
    const { driver } = this.#node;
    if (driver.state !== 'ok') return `driver ${driver.state}: ${driver.reason}`;
    const stuck = this.stuckOf(uuid);
    return stuck ? `the driver call ${stuck.call} has not returned` : null;
  }

  #isIndexOf(index: number | null, uuid: string): boolean {
    return index === null || this.#records.get(uuid)?.identity.index === index;
  }
}
