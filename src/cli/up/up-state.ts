import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InfernodeError } from '../../domain/error-codes.js';
import { startTimeOf } from '../../runtime/process-identity.js';

/** What `infernode up --json` prints, and what other commands read to find the running cluster. */
export interface UpReady {
  ready: true;
  gateway: string;
  coordinator: { grpc: string; metrics: string };
  agents: { node: string; grpc: string; metrics: string; nvmlScenario: string | null }[];
  engines: { id: string; node: string; url: string; devices: string[] }[];
}

export interface UpState extends UpReady {
  pid: number;
  /** Field 22 of /proc/<pid>/stat: with the pid it names one process for ever. */
  startTime: string;
}

/** Several clusters may run side by side; each has a directory of its own. */
const maxClusters = 8;

export function defaultUpRoot(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'infernode');
}

const candidates = (): string[] =>
  Array.from({ length: maxClusters }, (_, i) => join(defaultUpRoot(), i === 0 ? 'up' : `up-${i + 1}`));

/** Marks a directory as one of ours; it stays when the cluster ends. */
const markFile = 'infernode-up';
const lockFile = 'up.lock';

/**
 * Takes a state directory for this process: the given one, else the first default one that no running `up` holds. One that
 * holds anything but an earlier cluster is refused, because `nodes` and `logs` may then be somebody's own.
 */
export function claimUpDirectory(given: string | undefined): string {
  const directories = given === undefined ? candidates() : [given];
  for (const directory of directories) {
    if (given !== undefined) refuseForeign(directory);
    if (claim(directory)) return directory;
  }
  throw new InfernodeError(
    'argument-invalid',
    `${given ?? defaultUpRoot()}: already used by a running \`infernode up\`; stop it, or give another --state-dir`,
  );
}

/** Removes what an earlier cluster left in a claimed directory. Its engines must have ended. */
export function clearUpDirectory(directory: string): void {
  for (const name of ['up.json', 'nodes', 'coordinator.yaml', 'logs'])
    rmSync(join(directory, name), { recursive: true, force: true });
}

function refuseForeign(directory: string): void {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  if (names.length === 0 || names.includes(markFile) || names.includes(lockFile)) return;
  throw new InfernodeError(
    'argument-invalid',
    `--state-dir ${directory}: expected an empty directory, or one of an earlier \`infernode up\`, got one that holds ${names.slice(0, 3).join(', ')}`,
  );
}

/** One `up` per directory: a lock file with pid and start time, so that a dead owner never blocks. */
function claim(directory: string): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = join(directory, lockFile);
  if (existsSync(lock)) {
    const [pid = '', startTime] = readFileSync(lock, 'utf8').split(' ');
    if (startTime !== undefined && startTimeOf(Number(pid)) === startTime) return false;
    rmSync(lock, { force: true });
  }
  try {
    const file = openSync(lock, 'wx', 0o600);
    writeSync(file, `${process.pid} ${startTimeOf(process.pid)}`);
    closeSync(file);
    writeFileSync(join(directory, markFile), '', { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

export function writeUpState(directory: string, ready: UpReady): void {
  const state: UpState = { ...ready, pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  const temporary = join(directory, `up.json.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  chmodSync(temporary, 0o600);
  renameSync(temporary, join(directory, 'up.json'));
}

/** Removes what tells others that this cluster runs; logs and node state stay for a look afterwards. */
export function releaseUpDirectory(directory: string): void {
  for (const name of ['up.json', lockFile]) rmSync(join(directory, name), { force: true });
}

/** The running cluster: of the given directory, else the first default one with a live owner; `null` when none runs. */
export function findRunningUp(given?: string): (UpState & { directory: string }) | null {
  for (const directory of given === undefined ? candidates() : [given]) {
    try {
      const state = JSON.parse(readFileSync(join(directory, 'up.json'), 'utf8')) as UpState;
      if (startTimeOf(state.pid) === state.startTime) return { ...state, directory };
    } catch {
      // No file, or one from a crash: not a running cluster.
    }
  }
  return null;
}
