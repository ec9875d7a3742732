import { readdirSync, readlinkSync } from 'node:fs';

/**
 * Pids, other than ours, that have the device file of a GPU open, as far as we may look: without root only our own user's processes can be
 * seen, so that an empty list is no proof by itself. Empty where the minor number is not known.
 */
export function deviceHolders(minorNumber: number | null, root = '/proc'): number[] {
  if (minorNumber === null) return [];
  const file = `/dev/nvidia${minorNumber}`;
  return list(root)
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => list(`${root}/${pid}/fd`).some((fd) => target(`${root}/${pid}/fd/${fd}`) === file))
    .map(Number);
}

/** Empty for what is gone or closed to us. */
function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function target(link: string): string | null {
  try {
    return readlinkSync(link);
  } catch {
    return null;
  }
}
