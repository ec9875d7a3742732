/**
 * Records of the kernel log become events of devices (Xid lines) and faults of the other checks. Keeps what a single line does not tell:
 * the sequence number that was seen last, so that a log that is read again is not acted on again; the address of a two-line message;
 * windows of counting checks. Whose address is whose is asked of the caller. Bounded: one window per check and device.
 */
import type { KernelRecord } from '../domain/kernel-log.js';
import type { CheckSettings } from './condition-book.js';
import { checkRow } from './health-data.js';
import { findInKernelLine, namesDriver, type KernelFinding } from './kernel-patterns.js';
import { XidMessageReader, type SwitchMessage, type XidMessage } from './parse-xid-message.js';

export type KernelNewsItem =
  | { kind: 'xid'; message: XidMessage; record: KernelRecord }
  | { kind: 'sxid'; message: SwitchMessage; record: KernelRecord }
  | { kind: 'finding'; finding: KernelFinding; record: KernelRecord; count: number };

const minuteMs = 60_000;
const gspWindowMs = 10 * minuteMs;
/** How far from the report of a hung task a line of the driver may stand, in records: the data's `near`. */
const nearRecords = 20;
const maxWindows = 256;
/** No window needs more: the largest limit of the data is 60. */
const maxInWindow = 1024;

export class KernelLogReader {
  readonly #xids = new XidMessageReader();
  readonly #windows = new Map<string, number[]>();
  #seen: number;
  /** Where we are, in records, for what must stand near each other. */
  #line = -1;
  #driverLine = Number.NEGATIVE_INFINITY;
  #hung: { record: KernelRecord; line: number } | null = null;
  #aerReceived = Number.NEGATIVE_INFINITY;

  /** `seen`: sequence number of the newest record that an agent of this boot has acted on; -1: none. */
  constructor(seen = -1) {
    this.#seen = seen;
  }

  /** To be kept on disk together with the boot id. */
  get seen(): number {
    return this.#seen;
  }

  /** The log's file began anew. */
  restart(): void {
    this.#seen = -1;
    this.#driverLine = Number.NEGATIVE_INFINITY;
    this.#hung = null;
  }

  /** What a record means; nothing for one that was seen before. */
  read(record: KernelRecord, settings: CheckSettings): KernelNewsItem[] {
    if (record.seq !== null && record.seq <= this.#seen) return [];
    this.#seen = record.seq ?? this.#seen;
    this.#line = record.seq ?? this.#line + 1;
    const hung = this.#hungTask(record);
    const message = this.#xids.read(record.text);
    const finding = findInKernelLine(record.text);
    const items: KernelNewsItem[] = hung ? [hung] : [];
    if (message?.kind === 'xid') items.push({ kind: 'xid', message, record });
    if (message?.kind === 'sxid') items.push({ kind: 'sxid', message, record });
    if (finding && finding.check !== 'hung_task') {
      const address = finding.pciBusId ?? message?.pciBusId ?? null;
      const counted = this.#count({ ...finding, pciBusId: address }, record, settings);
      if (counted) items.push(counted);
    }
    return items;
  }

  /** A hung task concerns us when the driver stands in its stack, before or after the report. */
  #hungTask(record: KernelRecord): KernelNewsItem | null {
    if (findInKernelLine(record.text)?.check === 'hung_task') this.#hung = { record, line: this.#line };
    if (namesDriver(record.text)) this.#driverLine = this.#line;
    const hung = this.#hung;
    if (!hung || Math.abs(this.#driverLine - hung.line) > nearRecords) return null;
    this.#hung = null;
    const finding = findInKernelLine(hung.record.text);
    return finding && { kind: 'finding', finding, record: hung.record, count: 1 };
  }

  /** Checks that fire at a rate are news only at their limit. */
  #count(finding: KernelFinding, record: KernelRecord, settings: CheckSettings): KernelNewsItem | null {
    const { check, pciBusId, uncorrected } = finding;
    if (check === 'pcie_aer' && this.#isSecondLine(record)) return null;
    const counts = check === 'gsp_timeout_storm' || (check === 'pcie_aer' && !uncorrected);
    if (!counts) return { kind: 'finding', finding, record, count: 1 };
    const limit = limitOf(check, settings);
    const windowMs = check === 'pcie_aer' ? minuteMs : gspWindowMs;
    const count = this.#inWindow(`${check} ${pciBusId ?? ''}`, record.observedAtMs, windowMs);
    return count >= limit ? { kind: 'finding', finding, record, count } : null;
  }

  /** The port says "error received", then the device says which: one error. */
  #isSecondLine({ text }: KernelRecord): boolean {
    if (text.includes('AER: ')) {
      this.#aerReceived = this.#line;
      return false;
    }
    const second = this.#line - this.#aerReceived <= 3;
    this.#aerReceived = Number.NEGATIVE_INFINITY;
    return second;
  }

  #inWindow(key: string, atMs: number, windowMs: number): number {
    const times = (this.#windows.get(key) ?? []).filter((one) => atMs - one < windowMs).slice(-maxInWindow);
    times.push(atMs);
    this.#windows.delete(key);
    this.#windows.set(key, times);
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= maxWindows) break;
      this.#windows.delete(oldest);
    }
    return times.length;
  }
}

/** Events in ten minutes for `gsp_timeout_storm`, corrected errors a minute for `pcie_aer`; the configuration may change both. */
function limitOf(check: string, settings: CheckSettings): number {
  const { threshold } = checkRow(check);
  const own = check === 'pcie_aer' ? threshold.or_corrected_per_min : threshold.value;
  return settings[check]?.threshold ?? (typeof own === 'number' ? own : 1);
}
