/** When the sampler is asked for what it reads in no round: checksums of flash memory, and whether devices reach each other. */
import type { DeviceEvent } from '../domain/device.js';
import type { Clock } from '../runtime/clock.js';

export interface OnDemandReadsOptions {
  clock: Clock;
  /** For flash memory and pairs of devices, and once at the start; default 24 h. */
  inspectIntervalMs?: number;
  ask(command: 'inspect' | 'peers'): void;
}

const inspectEachMs = 24 * 3600_000;
/** The data's interval for peer access; after an event of a link it is asked for at once. */
const peersEachMs = 300_000;
/** NVLink errors up to Hopper, and since Blackwell. */
const linkXids: ReadonlySet<number> = new Set([74, 144, 145, 146, 147, 148, 149, 150]);

export class OnDemandReads {
  readonly #options: OnDemandReadsOptions;
  #inspectedAtMs = Number.NEGATIVE_INFINITY;
  #askedPeersAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OnDemandReadsOptions) {
    this.#options = options;
  }

  /** With each sample of a driver that is open. */
  askWhatIsDue(): void {
    const { clock, inspectIntervalMs = inspectEachMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#inspectedAtMs >= inspectIntervalMs) this.inspect();
    else if (nowMs - this.#askedPeersAtMs >= peersEachMs) this.#askPeers();
  }

  noteEvent({ kind, code }: DeviceEvent): void {
    if (kind === 'xid' && linkXids.has(code)) this.#askPeers();
  }

  /** Everything, pairs of devices too. */
  inspect(): void {
    this.#inspectedAtMs = this.#askedPeersAtMs = this.#options.clock.monotonicMs();
    this.#options.ask('inspect');
  }

  #askPeers(): void {
    this.#askedPeersAtMs = this.#options.clock.monotonicMs();
    this.#options.ask('peers');
  }
}
