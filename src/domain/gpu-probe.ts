/** What a probe process says of one GPU (`native/probe`). */
export interface ProbeStep {
  name: string;
  result: 'pass' | 'fail' | 'skipped' | 'unavailable';
  /** Why it was not passed; empty otherwise. */
  detail: string;
  ms: number;
  /** Measured; units are in the names. */
  values: Readonly<Record<string, number>>;
}

export interface ProbeVerdict {
  /** `unavailable`: the device could not be asked (no driver, no memory left), which says nothing about its health. */
  verdict: 'pass' | 'fail' | 'unavailable';
  /** The driver's enum name, a driver state such as `library-absent`, or one of `INFERNODE_...`; empty on a pass. */
  code: string;
  reason: string;
  device: {
    index: number;
    uuid: string;
    /** Says "simulated" where it is. */
    name: string;
    computeCapability: string;
    cudaVersion: number;
    totalBytes: number;
    freeBytes: number;
  } | null;
  steps: readonly ProbeStep[];
}
