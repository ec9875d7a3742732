/**
 * Is an engine under pressure, and of which kind? A kind begins when its value has stood above a limit for a while and ends
 * when it has stayed below a lower one, so that a value around a limit does not make the answer flicker. Pure: handed what
 * was seen at a moment.
 */
import type { EngineLoad, PressureKind } from '../domain/engine.js';

interface PressureRule {
  above: number;
  below: number;
}

/**
 * Queue > 100 and memory > 95 % are the source documents' figures; the lower limits are ours. vLLM takes its share of the device
 * at its start whatever the load, so the memory that speaks of load is the KV cache; that of the device speaks of what nobody
 * planned (graphs on top of the share, another process) and is near its limit for ever, hence the narrow gap. Preemptions are
 * counted per minute: one each 10 s already costs more in recomputed prefills than a smaller batch would.
 */
export const pressureRules: Readonly<Record<PressureKind, PressureRule>> = {
  queue: { above: 100, below: 50 },
  'kv-cache': { above: 0.95, below: 0.85 },
  preemptions: { above: 6, below: 1 },
  'device-memory': { above: 0.95, below: 0.94 },
};
const enterMs = 10_000;
const leaveMs = 30_000;
const rateWindowMs = 60_000;

export interface PressureLook {
  nowMs: number;
  load: EngineLoad | null;
  /** Counter of the server, `null` when it has none. */
  preemptions: number | null;
  /** Of its fullest device, 0 to 1, and the share that it was told to take; `null`: not known. */
  deviceMemory?: { usedRatio: number; plannedRatio: number } | null;
}

export class EnginePressure {
  readonly #active = new Map<PressureKind, number>();
  /** Since when a kind is on the other side of the limit that would change it. */
  readonly #turningSinceMs = new Map<PressureKind, number>();
  #counts: { atMs: number; count: number }[] = [];

  /** Kinds in force, in the order of the rules. */
  look({ nowMs, load, preemptions, deviceMemory }: PressureLook): PressureKind[] {
    const values: Record<PressureKind, number> = {
      queue: load?.waiting ?? 0,
      'kv-cache': load?.kvCacheUsageRatio ?? 0,
      preemptions: this.#perMinute(nowMs, preemptions),
      'device-memory': deviceMemory ? beyondPlan(deviceMemory) : 0,
    };
    const kinds = Object.keys(pressureRules) as PressureKind[];
    for (const kind of kinds) this.#turn(kind, values[kind], nowMs);
    return kinds.filter((kind) => this.#active.has(kind));
  }

  /** How long a kind has been in force, ms; `null` when it is not. */
  standsForMs(kind: PressureKind, nowMs: number): number | null {
    const sinceMs = this.#active.get(kind);
    return sinceMs === undefined ? null : nowMs - sinceMs;
  }

  #turn(kind: PressureKind, value: number, nowMs: number): void {
    const { above, below } = pressureRules[kind];
    const active = this.#active.has(kind);
    if (active ? value >= below : value <= above) {
      this.#turningSinceMs.delete(kind);
      return;
    }
    const sinceMs = this.#turningSinceMs.get(kind) ?? nowMs;
    this.#turningSinceMs.set(kind, sinceMs);
    if (nowMs - sinceMs < (active ? leaveMs : enterMs)) return;
    this.#turningSinceMs.delete(kind);
    if (active) this.#active.delete(kind);
    else this.#active.set(kind, nowMs);
  }

  /** A counter that went back belongs to a new server. Pages come at most once per second, so the window holds some 60. */
  #perMinute(nowMs: number, count: number | null): number {
    if (count === null) return 0;
    const [oldest] = this.#counts;
    if (oldest && count < oldest.count) this.#counts = [];
    this.#counts = [
      ...this.#counts.filter(({ atMs }) => nowMs - atMs <= rateWindowMs),
      { atMs: nowMs, count },
    ];
    return count - (this.#counts[0]?.count ?? count);
  }
}

/** Contexts and libraries of the planned engine itself that its share does not count. */
const besidesPlan = 0.02;

/** An engine that was told to take 97 % is under no pressure at 97 %: the limit lies above its plan, and the value as much lower. */
function beyondPlan({ usedRatio, plannedRatio }: { usedRatio: number; plannedRatio: number }): number {
  return usedRatio - Math.max(0, plannedRatio + besidesPlan - pressureRules['device-memory'].above);
}
