/**
 * Which limits of the health checks an operator may move, in what unit and range: the check's default is in the health data, where its
 * source stands too. Pure vocabulary, because the configuration is validated with it; a test compares it with the data.
 */
export interface ThresholdRange {
  unit: string;
  least: number;
  most: number;
}

const count = (unit: string, least = 0): ThresholdRange => ({ unit, least, most: 1e15 });
const seconds: ThresholdRange = { unit: 'seconds', least: 0, most: 86_400 };
const ratio: ThresholdRange = { unit: 'ratio', least: 0, most: 1 };
const percent: ThresholdRange = { unit: 'percent', least: 0, most: 100 };
/** Hotter than any part survives is a typing error, or another unit. */
const celsius: ThresholdRange = { unit: 'degrees Celsius', least: 0, most: 130 };

/** By check id. A check that is not here fires on a state or on one event, and can only be switched off. */
export const checkThresholds: Readonly<Record<string, ThresholdRange>> = {
  driver_drift: count('different versions', 1),
  nvml_call_hang: seconds,
  stale_sample: count('sampling intervals', 1),
  kmsg_overrun: count('records lost at once'),
  nvml_slow: count('milliseconds', 1),
  gpu_handle_unknown: count('failed lookups in a row', 1),
  xid_app_repeat: count('faults within 24 hours', 1),
  xid_after_reset: count('repeats within 7 days', 1),
  gsp_timeout_storm: count('time-outs within 10 minutes', 1),
  ecc_uncorrected: count('new errors'),
  ecc_corrected_rate: count('errors per minute'),
  row_remap_total: count('rows', 1),
  row_remap_bank_low: count('banks without a spare row'),
  remap_rate: count('rows within 7 days', 1),
  retired_pages: count('pages', 1),
  bar1_full: ratio,
  orphan_memory: count('MiB'),
  memory_size_changed: { unit: 'bytes of change', least: -1e15, most: 0 },
  temp_gpu: celsius,
  temp_hbm: celsius,
  throttle_hw_thermal: ratio,
  throttle_power_brake: ratio,
  throttle_hw_slowdown: ratio,
  throttle_sw_power: ratio,
  power_limit_low: ratio,
  power_unreadable: count('bad readings in a row', 1),
  clocks_stuck_low: ratio,
  fan_failed: percent,
  pcie_replay_rate: count('replays per lane and minute'),
  pcie_recovery_rate: count('retrains per hour'),
  pcie_fatal_errors: count('new errors'),
  pcie_aer: count('corrected errors per minute', 1),
  nvlink_errors: count('replays or recoveries per minute'),
  nvlink5_errors: count('receive errors or discards per minute'),
  nvlink5_ber: { unit: 'bit-error rate', least: 0, most: 1 },
  fabric_degraded: count('bad groups of the health mask'),
  c2c_link: count('inactive links'),
  d_state: seconds,
  ib_port_down: seconds,
  ib_port_errors: count('symbol errors per hour'),
  host_memory: ratio,
  disk_low: ratio,
  engine_stuck_gpu_idle: percent,
  engine_stuck_gpu_busy: percent,
  foreign_process: count('processes'),
  gpu_slower_than_siblings: ratio,
};

/** These fire on a state, on one event, or at the part's own limit: they can be switched off, and have no number to move. */
export const checksWithoutThreshold: readonly string[] = [
  'driver_not_loaded',
  'driver_version_mismatch',
  'event_set_broken',
  'gpu_missing',
  'gpu_lost',
  'gpu_reset_required',
  'gpu_unavailable_event',
  'recovery_action',
  'power_cable',
  'xid',
  'fallen_off_log',
  'sxid',
  'rm_init_failed',
  'ecc_disabled',
  'ecc_sram_threshold',
  'row_remap_pending',
  'row_remap_failure',
  'memory_unrepairable',
  'repair_pending',
  'inforom_corrupt',
  'clock_monitor_fault',
  'pcie_width',
  'pcie_speed',
  'nvlink_down',
  'p2p_broken',
  'fabric_not_ready',
  'fabricmanager_down',
  'persistence_off',
  'compute_prohibited',
  'mig_pending',
  'mig_instance_missing',
  'cc_not_ready',
  'pci_acs',
  'hung_task',
  'peermem_missing',
  'oom_kill',
  'cuda_error_report',
  'active_probe',
];
