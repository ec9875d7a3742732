/** What the coordinator knows of one model when it decides; `null` is "not known", which never shrinks anything. */
export interface ModelSignals {
  model: string;
  replicas: { ready: number; warming: number; asleep: number };
  /** Ready replicas whose news is fresh. */
  reporting: number;
  queue: { requests: number; tokens: number };
  running: number;
  /** Uncached prompt tokens not yet prefilled / measured prefill rate, seconds over all ready replicas. */
  backlogSeconds: number | null;
  kvCacheUsage: { mean: number; max: number } | null;
  /** p90 over target, the worse of time to first token and inter-token latency; 1 is "just met". */
  sloRatio: number | null;
  /** First tokens that the ratio is made of. Absent: enough. */
  sloSamples?: number;
  ttftP99Ms: number | null;
  gpuUtilizationRatio: number | null;
  /** Requests per second, rejected ones included, counted when they end. */
  incomingPerSecond: number | null;
  /** Age of the oldest input that matters, ms. */
  inputAgeMs: number;
  /** Replicas that the load after a replica's load time will take, where past weeks or a slope tell; may only raise. */
  forecastReplicas?: number | null;
}

/** A condition that must hold for a while before it adds or removes replicas (the source documents' form). */
export interface SustainedRule {
  id: string;
  signal: 'ttftP99Ms' | 'gpuUtilizationRatio' | 'waiting';
  above?: number;
  below?: number;
  forMs: number;
  change: number;
  enabled: boolean;
}

export interface ScalingPolicy {
  minReplicas: number;
  maxReplicas: number;
  /** Between the two the SLO ratio asks for nothing. */
  sloRatioUp: number;
  sloRatioDown: number;
  /** Backlog that one fleet may carry, seconds. */
  backlogTargetSeconds: number;
  queuePerReplica: number;
  kvCacheTarget: number;
  rules: readonly SustainedRule[];
  cooldownUpMs: number;
  cooldownDownMs: number;
  /** A step is at most so many replicas or so large a share of those that there are, whichever is more. */
  maxStepUp: number;
  stepUpShare: number;
  maxStepDown: number;
  stepDownShare: number;
  /** Share of ready replicas that must report before anything may shrink. */
  quorum: number;
  /** Inputs older than this hold the fleet. */
  staleAfterMs: number;
  /** When at least this share of the fleet vanished within `blastWindowMs`, nothing is replaced beyond `blastMaxStepUp` a step. */
  blastShare: number;
  blastWindowMs: number;
  blastMaxStepUp: number;
  /** How long a new replica loads; absent: nothing is foreseen. */
  forecastLoadTimeMs?: number;
}

/**
 * Defaults with the figures of the source documents: hysteresis 0.40 / 0.55, cool-downs 60 s and 300 s, and their
 * threshold rules as a preset. GPU utilization is there and off: it sits near 100 % whenever one request decodes, so it
 * says "in use", never "too small".
 */
export const defaultPolicy: ScalingPolicy = {
  minReplicas: 1,
  maxReplicas: 8,
  sloRatioUp: 0.55,
  sloRatioDown: 0.4,
  backlogTargetSeconds: 2,
  queuePerReplica: 50,
  kvCacheTarget: 0.85,
  rules: [
    { id: 'ttft-p99', signal: 'ttftP99Ms', above: 300, forMs: 60_000, change: 1, enabled: true },
    {
      id: 'gpu-utilization-high',
      signal: 'gpuUtilizationRatio',
      above: 0.85,
      forMs: 120_000,
      change: 1,
      enabled: false,
    },
    { id: 'waiting', signal: 'waiting', above: 100, forMs: 30_000, change: 2, enabled: true },
    {
      id: 'gpu-utilization-low',
      signal: 'gpuUtilizationRatio',
      below: 0.3,
      forMs: 600_000,
      change: -1,
      enabled: true,
    },
  ],
  cooldownUpMs: 60_000,
  cooldownDownMs: 300_000,
  maxStepUp: 4,
  stepUpShare: 1,
  maxStepDown: 1,
  stepDownShare: 0.25,
  quorum: 0.5,
  staleAfterMs: 15_000,
  blastShare: 0.5,
  blastWindowMs: 120_000,
  blastMaxStepUp: 1,
};

/** What one signal asks for, kept beside the decision so that every decision explains itself. */
export interface Proposal {
  signal: string;
  desired: number;
  reason: string;
}

export interface ScalingDecision {
  model: string;
  /** Replicas that should exist, warming ones included. Replicas that fail do not lower it: only a decision `down` does. */
  desired: number;
  /** How many to have after the next step: below `desired` while many vanished together or a step limit holds. */
  next: number;
  current: number;
  direction: 'up' | 'down' | 'hold';
  reason: string;
  /** Signal or rule that asked for most. */
  signal: string;
  proposals: Proposal[];
  /** Limits that changed the outcome, such as `cooldown-down` or `quorum`. */
  limitedBy: string[];
  inputAgeMs: number;
}
