/**
 * How much the counters of one device grew over the last minutes, for the checks that judge a rate. Bounded: one point each
 * 30 s for an hour and the newest. A counter that goes backwards was reset (or is nonsense) and starts a new base, so that
 * it never shows as growth. Times are monotonic: a wall clock that jumps changes nothing.
 */
const spacingMs = 30_000;
const keptMs = 3_600_000 + spacingMs;

interface Series {
  times: number[];
  values: number[];
}

export class CounterHistory {
  readonly #series = new Map<string, Series>();
  #backwards = 0;

  /** How many times a counter went backwards since this was asked last. */
  takeBackwards(): number {
    const times = this.#backwards;
    this.#backwards = 0;
    return times;
  }

  has(name: string): boolean {
    return this.#series.has(name);
  }

  note(name: string, value: number | null, atMs: number): void {
    if (value === null || !Number.isFinite(value) || value < 0) return;
    const series = this.#series.get(name);
    if (!series || value < series.values.at(-1)!) {
      if (series) this.#backwards += 1;
      this.#series.set(name, { times: [atMs], values: [value] });
      return;
    }
    const { times, values } = series;
    // The newest point moves along until it is far enough from the one before it.
    const last = times.length - 1;
    if (last > 0 && times[last]! - times[last - 1]! < spacingMs) {
      times[last] = atMs;
      values[last] = value;
    } else {
      times.push(atMs);
      values.push(value);
    }
    while (times.length > 2 && times[0]! < atMs - keptMs) {
      times.shift();
      values.shift();
    }
  }

  /** For flags: counts the samples in which the flag was set. */
  add(name: string, by: number, atMs: number): void {
    this.note(name, (this.#series.get(name)?.values.at(-1) ?? 0) + by, atMs);
  }

  /**
   * Growth within the window that ends with the newest point; `null` before there are two points. A history shorter than the
   * window counts as if nothing had happened before it: a rate is never made of one second.
   */
  growth(name: string, windowMs: number): number | null {
    return this.#since(name, windowMs)?.growth ?? null;
  }

  /** Points stand up to 30 s apart, so that the growth may be that of more than the window: it is spread over the time that it took. */
  perMinute(name: string, windowMs: number): number | null {
    const since = this.#since(name, windowMs);
    return since && since.growth / (Math.max(windowMs, since.spanMs) / 60_000);
  }

  #since(name: string, windowMs: number): { growth: number; spanMs: number } | null {
    const series = this.#series.get(name);
    if (!series || series.times.length < 2) return null;
    const { times, values } = series;
    const from = times.at(-1)! - windowMs;
    let first = times.length - 2;
    while (first > 0 && times[first]! > from) first -= 1;
    return { growth: values.at(-1)! - values[first]!, spanMs: times.at(-1)! - times[first]! };
  }

  clear(): void {
    this.#series.clear();
  }
}
