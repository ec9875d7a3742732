/** What the gateway has counted for one model since its processes started, summed over them; only differences mean something. */
export interface GatewayCounts {
  /** Requests that ended in whatever way, those that were turned away included. */
  requests: number;
  /** Those of them that were answered in full, streamed or not. */
  answers: number;
  /** Requests in the admission queue now, and their prompt tokens. */
  queuedRequests: number;
  queuedTokens: number;
  timeToFirstToken: HistogramCounts;
  interToken: HistogramCounts;
}

/** A cumulative histogram: upper bounds in seconds, ascending, the last one infinite; and how many lie at or below each. */
export interface HistogramCounts {
  bounds: readonly number[];
  atMost: readonly number[];
}
