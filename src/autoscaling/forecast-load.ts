/**
 * The load that is to come: what the same hour of the week brought before, and where the last minutes point. Both look one load time of
 * a replica ahead, for a replica that is asked for now serves only then. The forecast may only raise the floor.
 */
import type { ModelSignals, ScalingPolicy } from './scaling-types.js';

const hourMs = 3_600_000;
const hoursOfWeek = 168;
/** Of the exponential mean over weeks: 0.9 of what was known, 0.1 of the new hour. */
const remembered = 0.9;
/** The slope is that of the last ten minutes, by at most so many points. */
const slopeWindowMs = 600_000;
const maxPoints = 128;
const minPoints = 6;
/** Share of a replica's capacity in use below which a measurement of it says nothing. */
const minUse = 0.2;

export class LoadForecast {
  /** Mean requests per second by hour of the week (UTC); `null` before the first such hour has passed. */
  readonly #hours: (number | null)[] = new Array<number | null>(hoursOfWeek).fill(null);
  readonly #points: { atMs: number; rate: number }[] = [];
  #hour: { index: number; sum: number; count: number } | null = null;
  /** Requests per second that one replica serves within its objectives, as measured. */
  #capacity: number | null = null;

  /** `wallMs` chooses the hour; a wall clock that jumps costs the present hour. */
  observe(signals: ModelSignals, policy: ScalingPolicy, wallMs: number): void {
    const rate = signals.incomingPerSecond;
    if (rate === null || !Number.isFinite(rate) || rate < 0) return;
    this.#learnHour(rate, hourOf(wallMs));
    this.#points.push({ atMs: wallMs, rate });
    if (this.#points.some(({ atMs }) => atMs > wallMs)) this.#points.length = 0;
    while (this.#points.length > maxPoints || (this.#points[0]?.atMs ?? wallMs) < wallMs - slopeWindowMs)
      this.#points.shift();
    this.#learnCapacity(rate, signals, policy);
  }

  /** `null` where nothing is foreseen: not asked for, or not enough seen. */
  replicas({ forecastLoadTimeMs }: ScalingPolicy, wallMs: number): number | null {
    if (forecastLoadTimeMs === undefined || this.#capacity === null) return null;
    const season = this.#hours[hourOf(wallMs + forecastLoadTimeMs)] ?? null;
    const trend = this.#trend(forecastLoadTimeMs);
    if (season === null && trend === null) return null;
    return Math.ceil(Math.max(season ?? 0, trend ?? 0) / this.#capacity - 1e-9);
  }

  #learnHour(rate: number, index: number): void {
    const hour = this.#hour;
    if (hour?.index === index) {
      hour.sum += rate;
      hour.count += 1;
      return;
    }
    if (hour) {
      const mean = hour.sum / hour.count;
      const before = this.#hours[hour.index] ?? null;
      this.#hours[hour.index] = before === null ? mean : remembered * before + (1 - remembered) * mean;
    }
    this.#hour = { index, sum: rate, count: 1 };
  }

  /** The nearest limit tells what share of its capacity a replica uses. */
  #learnCapacity(rate: number, signals: ModelSignals, policy: ScalingPolicy): void {
    const { ready } = signals.replicas;
    const use = Math.max(
      (signals.sloRatio ?? 0) / policy.sloRatioUp,
      (signals.backlogSeconds ?? 0) / policy.backlogTargetSeconds,
      (signals.kvCacheUsage?.mean ?? 0) / policy.kvCacheTarget,
    );
    if (ready === 0 || rate === 0 || !(use > minUse && use <= 1)) return;
    const seen = rate / ready / use;
    this.#capacity = this.#capacity === null ? seen : remembered * this.#capacity + (1 - remembered) * seen;
  }

  /** Least squares over the last minutes, continued; `null` when it falls or too little was seen. */
  #trend(aheadMs: number): number | null {
    const points = this.#points;
    if (points.length < minPoints) return null;
    const meanAt = points.reduce((sum, { atMs }) => sum + atMs, 0) / points.length;
    const meanRate = points.reduce((sum, { rate }) => sum + rate, 0) / points.length;
    let [covariance, variance] = [0, 0];
    for (const { atMs, rate } of points) {
      covariance += (atMs - meanAt) * (rate - meanRate);
      variance += (atMs - meanAt) ** 2;
    }
    const slope = variance > 0 ? covariance / variance : 0;
    const last = points.at(-1)?.atMs ?? meanAt;
    return slope > 0 ? meanRate + slope * (last - meanAt + aheadMs) : null;
  }
}

/** 0 is the first hour of a Thursday, as the epoch was. */
function hourOf(wallMs: number): number {
  return Math.floor(wallMs / hourMs) % hoursOfWeek;
}
