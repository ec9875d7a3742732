/**
 * Xid 144 to 150 (NVLink 5) say what happened in two register words: `intrinfo` names sub-code and unit, `status` the
 * errors. The layout of the unit bits changed with driver branch R575. Rules and their meaning: `decode_rule` in the data.
 */
import { compareSeverity, nvlink5Rules, type Nvlink5Rule } from './health-data.js';

export const nvlink5Codes: ReadonlySet<number> = new Set(nvlink5Rules.map((rule) => rule.xid));

const layoutChangeBranch = 575;

/** The worst rule that fits, or `null`. A driver branch that is not known is read as a new one. */
export function decodeNvlink5(
  xid: number,
  { intrinfo, status }: { intrinfo: number; status: number },
  driverBranch: number | null,
): Nvlink5Rule | null {
  const subCode = (intrinfo >>> 20) & 0x3f;
  const old = driverBranch !== null && driverBranch < layoutChangeBranch;
  const fitting = nvlink5Rules.filter(
    (rule) =>
      rule.xid === xid &&
      rule.sub_code === subCode &&
      fitsUnit(rule, intrinfo, old) &&
      fitsStatus(rule, status),
  );
  return fitting.sort((a, b) => compareSeverity(b.severity, a.severity))[0] ?? null;
}

function fitsUnit(rule: Nvlink5Rule, intrinfo: number, old: boolean): boolean {
  const mask = Number(old ? rule.unit_mask_pre_r575 : rule.unit_mask_r575);
  const value = Number(old ? rule.unit_value_pre_r575 : rule.unit_value_r575);
  return (intrinfo & mask) >>> 0 === value;
}

function fitsStatus(rule: Nvlink5Rule, status: number): boolean {
  const wanted = Number(rule.status);
  return rule.status_match === 'equals' ? status === wanted : (status & wanted) !== 0;
}
