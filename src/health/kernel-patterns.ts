/**
 * What the kernel log says beside Xid lines, as one table: the patterns are those of `gpu-health-checks.json`. Pure; a line that fits
 * nothing is `null`. Also the words by which the sampler chooses the lines that it passes on at all.
 */
import { canonicalPciBusId } from '../domain/canonical-pci-bus-id.js';

export type KernelCheck =
  | 'rm_init_failed'
  | 'gsp_timeout_storm'
  | 'inforom_corrupt'
  | 'driver_version_mismatch'
  | 'pcie_aer'
  | 'hung_task'
  | 'oom_kill';

export interface KernelFinding {
  check: KernelCheck;
  /** The last address in the line: AER names the port first and the device that reported after it. */
  pciBusId: string | null;
  /** The process that the line is about. */
  pid: number | null;
  /** The uncorrectable kind of an AER error. */
  uncorrected: boolean;
  text: string;
}

/** Every line that means something holds one of these; a word that is missing here is never seen. */
export const kernelLogWords: readonly string[] = [
  'NVRM:',
  'SXid',
  'nvidia',
  'AER: ',
  'PCIe Bus Error',
  'blocked for more than',
  'soft lockup',
  'hard LOCKUP',
  'Out of memory: Killed process',
  'oom-kill:',
  'RmInitAdapter failed',
  'rm_init_adapter failed',
  '_kgspRpcRecvPoll',
  'waiting for RPC response',
  'infoROM',
  'InfoROM',
];

const patterns: readonly { check: KernelCheck; pattern: RegExp }[] = [
  { check: 'rm_init_failed', pattern: /RmInitAdapter failed|rm_init_adapter failed/ },
  {
    check: 'gsp_timeout_storm',
    pattern: /_kgspRpcRecvPoll|Timeout after \d{1,6}s of waiting for RPC response/,
  },
  { check: 'inforom_corrupt', pattern: /corrupted infoROM|InfoROM.{0,200}corrupt/ },
  { check: 'driver_version_mismatch', pattern: /NVRM: API mismatch/ },
  {
    check: 'pcie_aer',
    pattern:
      /AER: .{0,200}(?:[Uu]nc|[Cc])orrect(?:ed|able)|PCIe Bus Error: severity=(?:Uncorrect|Correct)(?:ed|able)/,
  },
  {
    check: 'hung_task',
    pattern:
      /INFO: task .{1,200} blocked for more than \d{1,6} seconds|BUG: soft lockup|NMI watchdog: .{0,200}hard LOCKUP/,
  },
  {
    check: 'oom_kill',
    pattern: /Out of memory: Killed process \d{1,10} \(|oom-kill:.{0,1000}task=.{0,64},pid=\d{1,10}/,
  },
];

const address = /\b([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)\b/g;
const victim = /Killed process (\d{1,10}) |,pid=(\d{1,10})/;

export function findInKernelLine(text: string): KernelFinding | null {
  const found = patterns.find(({ pattern }) => pattern.test(text));
  if (!found) return null;
  const last = [...text.matchAll(address)].at(-1)?.[1];
  const pid = found.check === 'oom_kill' ? victim.exec(text) : null;
  return {
    check: found.check,
    pciBusId: last === undefined ? null : canonicalPciBusId(last),
    pid: pid ? Number(pid[1] ?? pid[2]) : null,
    uncorrected: /[Uu]ncorrect/.test(text),
    text,
  };
}

/** A line of a stack or a module that is NVIDIA's. */
export function namesDriver(text: string): boolean {
  return /\bnvidia|NVRM|\[nvidia/.test(text);
}
