/** What the engines of a node are doing, as far as health needs it to tell a sick device from a sick program. */
export interface EngineWork {
  engineId: string;
  deviceUuids: readonly string[];
  /** Processes of the engine; empty when they are not known. */
  pids: readonly number[];
  running: number;
  waiting: number;
  /** Since the last token came while work was there, ms; `null`: not known. */
  tokenAgeMs: number | null;
  /** A sticky CUDA error that the engine reported in its log or by its exit, and that it has not recovered from. */
  cudaError: { code: number; text: string } | null;
  /** Time per output token, seconds; `null`: not known. */
  stepSeconds: number | null;
}

/** Outcome of the short active check of a device, run in a process of its own. */
export interface ProbeResult {
  deviceUuid: string;
  passed: boolean;
  /** Why it failed; empty when it passed. */
  reason: string;
}

export interface Workload {
  engines: readonly EngineWork[];
  /** Last result by device UUID. */
  probes: ReadonlyMap<string, ProbeResult>;
  /** Command line names of processes that hold a device, by pid; only of those that could be read. */
  commands: ReadonlyMap<number, string>;
  /** Whom Kubernetes gave the devices, by UUID: `namespace/pod (container)`; absent where nobody tells. */
  pods?: ReadonlyMap<string, readonly string[]>;
  /** Pids that were looked up: one that the driver has listed since is nobody's stranger yet. Absent: all of them. */
  lookedUp?: ReadonlySet<number>;
  /** False when this agent does not see the host's processes, so that pids of the driver prove nothing. */
  seesHostPids: boolean;
}

export const noWorkload: Readonly<Workload> = {
  engines: [],
  probes: new Map(),
  commands: new Map(),
  seesHostPids: false,
};
