/**
 * What happened on this node, newest last: bounded in memory, written to the journal by whoever is handed each entry, read back after a
 * restart. Faults of one device that come within 3 s are one incident, the data's rule.
 */
import type { HistoryEntry, HistoryNews, Incident } from '../domain/history.js';
import { historyKinds } from '../domain/history.js';
import type { Clock } from '../runtime/clock.js';
import { compareSeverity } from './health-data.js';

/** About two days of a node with a fault each minute. */
export const maxHistoryEntries = 2048;
const incidentMs = 3_000;
const maxOpenIncidents = 256;
/** "Channels removed after an earlier event": never the root where there is another code. */
const sympatheticXid = 45;

export interface HealthHistoryOptions {
  clock: Clock;
  onEntry(entry: HistoryEntry): void;
}

export class HealthHistory {
  readonly #options: HealthHistoryOptions;
  #entries: HistoryEntry[] = [];
  readonly #listeners = new Set<() => void>();
  /** The incident under way, by device. */
  readonly #open = new Map<string, { id: string; lastMs: number }>();
  #seq = 0;

  constructor(options: HealthHistoryOptions) {
    this.#options = options;
  }

  /** What an agent before this one wrote down, newest first; before the first entry of this one. */
  restore(entries: readonly HistoryEntry[]): void {
    this.#entries = [...entries].sort((a, b) => a.seq - b.seq).slice(-maxHistoryEntries);
    this.#seq = this.#entries.at(-1)?.seq ?? 0;
  }

  /** The number of the newest entry, 0 before the first. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** `observedAtMs`, monotonic, is when a fault was: it belongs to the incident of that time, not of now. */
  add(news: HistoryNews, observedAtMs = this.#options.clock.monotonicMs()): HistoryEntry {
    const { clock } = this.#options;
    const seq = ++this.#seq;
    const { device = null } = news;
    const incident =
      news.incident ?? (news.kind === 'fault' ? this.#incidentOf(device, seq, observedAtMs) : null);
    const entry: HistoryEntry = {
      ...{ seq, atMs: clock.wallMs() - Math.max(0, clock.monotonicMs() - observedAtMs) },
      ...{ engine: null, check: null, xid: null, severity: null, action: 'none', evidence: '', basis: null },
      ...{ drill: false },
      ...news,
      device,
      incident,
    };
    this.#entries.push(entry);
    if (this.#entries.length > maxHistoryEntries) this.#entries.shift();
    this.#options.onEntry(entry);
    for (const listener of this.#listeners) listener();
    return entry;
  }

  /** Entries after that number, oldest first. */
  after(seq: number, limit = maxHistoryEntries): HistoryEntry[] {
    return this.#entries.filter((entry) => entry.seq > seq).slice(0, limit);
  }

  /** Of a device, and of engines that have several devices with it among them; newest last. */
  of(device: string | null, limit: number, engines: readonly string[] = []): HistoryEntry[] {
    const isIts = ({ kind, engine }: HistoryEntry): boolean =>
      kind === 'engine' && engine !== null && engines.includes(engine);
    return this.#entries
      .filter((entry) => entry.device === device || (entry.device === null && isIts(entry)))
      .slice(-limit);
  }

  /** `null` when it is not known, or has left the memory. */
  incident(id: string): Incident | null {
    const entries = this.#entries.filter((entry) => entry.incident === id);
    const root = rootOf(entries);
    const first = entries[0];
    if (!root || !first) return null;
    const { device, check, xid, severity, action, reason } = root;
    return {
      ...{ id, device, check, xid, severity, action, reason, entries },
      startedAtMs: first.atMs,
      lastAtMs: entries.at(-1)?.atMs ?? first.atMs,
      drill: entries.some(({ drill }) => drill),
    };
  }

  /** Called after each entry. Returns the way to stop it. */
  onNews(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #incidentOf(device: string | null, seq: number, atMs: number): string {
    const key = device ?? '';
    const open = this.#open.get(key);
    const id = open && Math.abs(atMs - open.lastMs) <= incidentMs ? open.id : `i${seq}`;
    this.#open.delete(key);
    this.#open.set(key, { id, lastMs: atMs });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpenIncidents) break;
      this.#open.delete(oldest);
    }
    return id;
  }
}

function rootOf(entries: readonly HistoryEntry[]): HistoryEntry | undefined {
  const faults = entries.filter(({ kind }) => kind === 'fault');
  const own = faults.filter(({ xid }) => xid !== sympatheticXid);
  return (own.length > 0 ? own : faults).reduce<HistoryEntry | undefined>(
    (worst, entry) =>
      !worst || compareSeverity(entry.severity ?? 'info', worst.severity ?? 'info') > 0 ? entry : worst,
    undefined,
  );
}

/** Enough of a look at a line of the journal to trust the rest to this same program. */
export function isHistoryEntry(value: unknown): value is HistoryEntry {
  const entry = value as Partial<HistoryEntry> | null;
  return (
    Number.isSafeInteger(entry?.seq) &&
    typeof entry?.reason === 'string' &&
    historyKinds.some((kind) => kind === entry.kind)
  );
}
