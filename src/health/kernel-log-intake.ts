/**
 * The second source, as far as health takes it: a record becomes events of devices and faults of checks, with the device found by its
 * address and the engine by its pid. Records that come before the first sample wait, because nobody knows yet whose address is whose.
 */
import type { DeviceEvent, DeviceIdentity } from '../domain/device.js';
import type { KernelRecord } from '../domain/kernel-log.js';
import { BoundedQueue } from '../runtime/bounded-queue.js';
import { classifyFinding } from './classify-finding.js';
import type { ClassifiedFault } from './classify-fault.js';
import type { CheckSettings } from './condition-book.js';
import { KernelLogReader, type KernelNewsItem } from './read-kernel-log.js';

/** What health asks of the host. */
export interface HostView {
  /** Bridges above a PCI device, nearest first, as canonical addresses. */
  bridgesOf(pciBusId: string): readonly string[];
  /** The supervised engine that owns or owned the process. */
  engineOf(pid: number): { engineId: string; deviceUuids: readonly string[] } | null;
}

export const noHostView: HostView = { bridgesOf: () => [], engineOf: () => null };

export type KernelOutcome =
  { kind: 'event'; event: DeviceEvent } | { kind: 'fault'; fault: ClassifiedFault; drill: boolean };

/** The whole log of a boot may come before the first sample; relevant lines of it are few. */
const maxWaiting = 1024;

export class KernelLogIntake {
  readonly #reader: KernelLogReader;
  readonly #host: HostView;
  readonly #devices: () => readonly DeviceIdentity[];
  readonly #waiting = new BoundedQueue<KernelRecord>(maxWaiting);
  #open = false;

  constructor(options: { seen: number; host: HostView; devices: () => readonly DeviceIdentity[] }) {
    this.#reader = new KernelLogReader(options.seen);
    this.#host = options.host;
    this.#devices = options.devices;
  }

  get seen(): number {
    return this.#reader.seen;
  }

  restart(): void {
    this.#reader.restart();
  }

  take(record: KernelRecord, settings: CheckSettings): KernelOutcome[] {
    if (this.#open) return this.#read(record, settings);
    this.#waiting.push(record);
    return [];
  }

  /** The devices are known from now on; answers with what has waited. */
  open(settings: CheckSettings): KernelOutcome[] {
    if (this.#open) return [];
    this.#open = true;
    const outcomes: KernelOutcome[] = [];
    for (let record = this.#waiting.shift(); record; record = this.#waiting.shift())
      outcomes.push(...this.#read(record, settings));
    return outcomes;
  }

  #read(record: KernelRecord, settings: CheckSettings): KernelOutcome[] {
    return this.#reader.read(record, settings).flatMap((item) => this.#outcomesOf(item));
  }

  #outcomesOf(item: KernelNewsItem): KernelOutcome[] {
    if (item.kind === 'xid') return [{ kind: 'event', event: this.#eventOf(item) }];
    const { drill } = item.record;
    const { pid = null, pciBusId = null } = item.kind === 'finding' ? item.finding : {};
    const engine = pid === null ? null : this.#host.engineOf(pid);
    // A port of a switch and a node-wide matter have no device; an engine may have several.
    const uuids: readonly (string | null)[] = engine?.deviceUuids.length
      ? engine.deviceUuids
      : item.kind === 'finding'
        ? this.#behind(pciBusId)
        : [null];
    return uuids.flatMap((deviceUuid) => {
      const fault = classifyFinding(item, { deviceUuid, engineId: engine?.engineId ?? null });
      return fault ? [{ kind: 'fault' as const, fault, drill }] : [];
    });
  }

  #eventOf({ message, record }: Extract<KernelNewsItem, { kind: 'xid' }>): DeviceEvent {
    return {
      deviceUuid: this.#at(message.pciBusId),
      kind: 'xid',
      code: message.code,
      source: 'kmsg',
      text: record.text,
      pid: message.pid,
      receivedAtMs: record.observedAtMs,
      drill: record.drill,
      fallenOff: message.fallenOff,
      gpuInstance: message.gpuInstance,
    };
  }

  #at(pciBusId: string): string | null {
    return this.#devices().find((device) => slotOf(device.pciBusId) === slotOf(pciBusId))?.uuid ?? null;
  }

  /** The device at the address, or every device below that bridge. */
  #behind(pciBusId: string | null): readonly (string | null)[] {
    if (pciBusId === null) return [null];
    const own = this.#at(pciBusId);
    if (own !== null) return [own];
    const below = this.#devices().filter((device) =>
      this.#host.bridgesOf(device.pciBusId).includes(pciBusId),
    );
    return below.map(({ uuid }) => uuid);
  }
}

/** Without the function: a GPU's audio function is the same card. */
function slotOf(pciBusId: string): string {
  return pciBusId.replace(/\.[0-9a-f]$/, '');
}
