/** Who, of several equal coordinators, may write what has one owner. */
export interface LeaderElection {
  /** Whether this process owns it now; asked before each act. */
  readonly leading: boolean;
  /** Gives it back. */
  close(): Promise<void>;
}
