/** Who this machine is, and which boot of it: read once at start, with an honest answer where the files are missing. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * `/etc/machine-id` when the configuration says `auto`. Without the file (slim containers) an id is made up that lasts as
 * long as the state directory: pass the stored one, and keep what comes back.
 */
export function readMachineId(configured: string, stored: string | null, file = '/etc/machine-id'): string {
  if (configured !== 'auto') return configured;
  return readWord(file) ?? stored ?? randomUUID();
}

/** Without the file every start counts as a new boot: what a boot repairs is then forgotten early rather than never. */
export function readBootId(file = '/proc/sys/kernel/random/boot_id'): string {
  return readWord(file) ?? randomUUID();
}

function readWord(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim() || null;
  } catch {
    return null;
  }
}
