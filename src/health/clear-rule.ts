/**
 * When a condition that came from an event goes. The data says it in one word per Xid (`recovers_how`); this file is what
 * the word means for an agent that cannot see the repair itself, only its traces:
 *
 * - `node-booted`: the boot id differs from the one under which the condition was stored.
 * - `device-returned`: the device was absent or lost after the event, and now answers again. Within one boot only a reset
 *   or a bus re-scan brings that about.
 * - `driver-reopened`: the driver was released after the event and is open again, and does not itself ask for a recovery
 *   action. A release is asked for in order to reset the device or to load another driver; that it was done is the
 *   operator's word.
 * - `counter-restarted`: a volatile error counter went down, which only a reset does.
 * - `engine-restarted`: the engine on the device has started anew.
 * - `quiet`: ten minutes without the same code, our own figure, as in the data's `hung_task`; other times where `clear_when` names one.
 * - an operator's acknowledgement clears everything: `AcknowledgeCondition`, or `UncordonDevice` with holder `health:<check>`.
 */
export type Evidence =
  'node-booted' | 'device-returned' | 'driver-reopened' | 'counter-restarted' | 'engine-restarted' | 'quiet';

export const quietMs = 10 * 60_000;

/** Checks with a time of their own in `clear_when`; `afterReset`: the time counts once there is evidence of a reset. */
const quietRules: Record<string, { quietMs: number; afterReset?: true }> = {
  kmsg_overrun: { quietMs: 0 },
  // Only a new event set ends it.
  event_set_broken: { quietMs: Number.POSITIVE_INFINITY },
  pcie_aer: { quietMs: 60 * 60_000 },
  hung_task: { quietMs },
  xid_app_repeat: { quietMs: 24 * 60 * 60_000 },
  gsp_timeout_storm: { quietMs, afterReset: true },
};

/** How long a condition must have been quiet to go, or `null` when silence proves nothing. */
export function quietTimeOf(
  check: string,
  recoversHow: string | null,
  severe: boolean,
): { quietMs: number; afterReset: boolean } | null {
  const own = quietRules[check];
  if (own) return { quietMs: own.quietMs, afterReset: own.afterReset === true };
  return clears(recoversHow, severe, 'quiet') ? { quietMs, afterReset: false } : null;
}

const reset: Evidence[] = ['node-booted', 'device-returned', 'driver-reopened', 'counter-restarted'];

const clearedBy: Record<string, readonly Evidence[]> = {
  gpu_reset: reset,
  // A cold reset is a power cycle: that the driver was opened again proves too little.
  cold_reset: ['node-booted', 'device-returned'],
  node_reboot: ['node-booted', 'device-returned'],
  vm_or_node_reboot: ['node-booted'],
  app_restart: [...reset, 'engine-restarted', 'quiet'],
  self: [...reset, 'quiet'],
  software_update: ['node-booted', 'driver-reopened'],
  // Also cleared by its own event or reading: the new value is None.
  'when the new value is None': reset,
  // Hands are needed; only an operator or another serial number says that it was done.
  physical_repair: [],
  rma_or_repair: [],
  self_or_physical_repair: [],
  part_replaced: [],
  operator_ack: [],
  vendor_tool: [],
  ecc_on_and_reset: [],
};

/** For codes without a rule in the data: a mild one passes, a bad one waits for a reset, a boot or an operator. */
function evidenceWithoutRule(severe: boolean): readonly Evidence[] {
  return severe ? reset : [...reset, 'quiet'];
}

export function clears(recoversHow: string | null, severe: boolean, evidence: Evidence): boolean {
  const list = recoversHow === null ? undefined : clearedBy[recoversHow];
  return (list ?? evidenceWithoutRule(severe)).includes(evidence);
}

/** The code whose event ends this condition (`Xid 162` in the data), or `null`. */
export function clearingXid(recoversHow: string | null): number | null {
  const match = /^Xid (\d+)$/.exec(recoversHow ?? '');
  return match ? Number(match[1]) : null;
}
