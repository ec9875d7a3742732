import { execFile } from 'node:child_process';

/** A unit that systemd has loaded here: what it grants decides, not what this shell may. */
export interface InstalledService {
  unit: string;
  active: boolean;
  user: string;
  /** `null` while the user is not known to the system, as with DynamicUser. */
  uid: number | null;
  delegate: boolean;
  openFiles: number;
  stateDirectories: string[];
}

const properties = ['LoadState', 'ActiveState', 'User', 'UID', 'Delegate', 'LimitNOFILE', 'StateDirectory'];
const timeoutMs = 5_000;

/** `null` where systemd does not run or the unit is not installed. */
export function findService(unit: string): Promise<InstalledService | null> {
  return new Promise((resolve) =>
    execFile('systemctl', ['show', unit, '-p', properties.join()], { timeout: timeoutMs }, (error, stdout) =>
      resolve(error ? null : serviceOf(unit, stdout)),
    ),
  );
}

/** Of what `systemctl show` prints; `null` for a unit that is not loaded. */
export function serviceOf(unit: string, shown: string): InstalledService | null {
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(shown)?.[1] ?? '';
  if (value('LoadState') !== 'loaded') return null;
  const uid = Number(value('UID'));
  return {
    unit,
    active: value('ActiveState') === 'active',
    user: value('User') || 'root',
    uid: /^\d+$/.test(value('UID')) ? uid : null,
    delegate: value('Delegate') === 'yes',
    // "infinity" is no number; more than anybody needs.
    openFiles: Number(value('LimitNOFILE')) || Number.MAX_SAFE_INTEGER,
    stateDirectories: value('StateDirectory')
      .split(' ')
      .filter(Boolean)
      .map((name) => `/var/lib/${name}`),
  };
}
