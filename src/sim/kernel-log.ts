/**
 * The kernel log of a simulated node: a file beside its scenario that holds records as /dev/kmsg gives them. An agent whose `kmsg.path`
 * names it hears there what the driver of a real node would have logged.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScenarioDevice } from './gpu-scenario-schema.js';

export const kernelLogFile = 'kmsg';

/** LOG_KERN and LOG_WARNING, as the driver writes. */
const priority = 4;
const maxTextLength = 1000;

/** Appends one record per line of `text`; returns their sequence numbers. */
export function appendKernelLog(directory: string, text: string): number[] {
  const path = join(directory, kernelLogFile);
  let seq = lastSeq(path) + 1;
  const records = text.split('\n').map((line) => {
    const timestampUs = process.hrtime.bigint() / 1000n;
    return {
      seq: seq++,
      record: `${priority},${seq - 1},${timestampUs},-;${line.slice(0, maxTextLength)}\n`,
    };
  });
  appendFileSync(path, records.map(({ record }) => record).join(''));
  return records.map((one) => one.seq);
}

export interface XidLineOptions {
  /** What follows the code. */
  detail?: string | undefined;
  /** Where MIG is on. */
  gpuInstance?: number | undefined;
}

/** What the driver logs with an Xid of this device. */
export function xidLine(
  device: Pick<ScenarioDevice, 'pciBusId'>,
  code: number,
  { detail, gpuInstance }: XidLineOptions = {},
): string {
  const address = device.pciBusId.replace(/^0000(?=[0-9a-f]{4}:)/, '').replace(/\.[0-9a-f]$/, '');
  const instance = gpuInstance === undefined ? '' : ` GPU-I:${gpuInstance.toString(16).padStart(2, '0')}`;
  return `NVRM: Xid (PCI:${address}${instance}): ${code}, ${detail ?? details[code] ?? "pid='<unknown>', name=<unknown>"}`;
}

const details: Record<number, string> = {
  48: 'DBE (double bit error) ECC error',
  79: "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
  94: "pid='<unknown>', name=<unknown>, Contained: SM (0x1). RST: No, D-RST: No",
  95: "pid='<unknown>', name=<unknown>, Uncontained: FBHUB. RST: Yes, D-RST: No",
  154: 'GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)',
};

/** -1 for a log without records. */
function lastSeq(path: string): number {
  try {
    const seqs = readFileSync(path, 'utf8').matchAll(/^\d+,(\d+),\d+,[^;\n]*;/gm);
    return Number([...seqs].at(-1)?.[1] ?? -1);
  } catch {
    return -1;
  }
}
