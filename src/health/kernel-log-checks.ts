import type { CheckSettings } from './condition-book.js';
import { checkRows, type CheckRow } from './health-data.js';

/** The data's second source of this one, the kernel's counters in sysfs, is not read. */
const readFromLogOnly: ReadonlySet<string> = new Set(['pcie_aer']);

/** Xids come from the driver's events too, where it has them: a virtual GPU may not. */
export const xidChecks: readonly string[] = ['xid', 'xid_app_repeat', 'xid_after_reset'];

const rows = [...checkRows.values()].filter(isHeardInLogOnly);

/**
 * Checks that nothing but the kernel log can fire: without the log they have no source. Those of devices, and those of the node, where
 * also switches, processes and the log itself belong. A check that is switched off is not among them.
 */
export function kernelLogChecks(settings: CheckSettings): { device: string[]; node: string[] } {
  const enabled = rows.filter(({ id }) => settings[id]?.enabled !== false);
  const ids = (ofDevice: boolean): string[] =>
    enabled.flatMap(({ id, scope }) => ((scope === 'device') === ofDevice ? [id] : []));
  return { device: ids(true), node: ids(false) };
}

function isHeardInLogOnly({ id, source }: CheckRow): boolean {
  return readFromLogOnly.has(id) || [source].flat().every(({ kind }) => kind === 'kmsg');
}
