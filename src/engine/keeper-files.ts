/** What a keeper leaves in its run directory (native/keeper/README.md), read with suspicion. */
import { join } from 'node:path';
import { readStateFile, type StateFileRead } from '../runtime/state-file.js';

export interface KeeperRecord {
  keeperPid: number;
  keeperStartTime: string;
  leaderPid: number;
  leaderStartTime: string;
  /** Directory of the engine's cgroup v2 group, or `null` when there is none. */
  cgroup: string | null;
  argvHash: string | null;
}

export interface ExitRecord {
  code: number | null;
  /** `SIGKILL` and the like. */
  signal: string | null;
  atUnixMs: number;
  /** The keeper had been told to end it. */
  requested: boolean;
  /** `null` while, or when never, the whole tree was seen to be gone. */
  treeEmptyAtUnixMs: number | null;
  /** Why the program could not even be started. */
  error: string | null;
}

const schema = 1;

export function readKeeperRecord(runDir: string): StateFileRead<KeeperRecord> {
  return readStateFile(join(runDir, 'keeper.json'), schema, isKeeperRecord);
}

export function readExitRecord(runDir: string): StateFileRead<ExitRecord> {
  return readStateFile(join(runDir, 'exit.json'), schema, isExitRecord);
}

export function isKeeperRecord(data: unknown): data is KeeperRecord {
  const record = data as Partial<KeeperRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    isPid(record.keeperPid) &&
    isPid(record.leaderPid) &&
    typeof record.keeperStartTime === 'string' &&
    typeof record.leaderStartTime === 'string' &&
    isTextOrNull(record.cgroup) &&
    isTextOrNull(record.argvHash)
  );
}

function isExitRecord(data: unknown): data is ExitRecord {
  const record = data as Partial<ExitRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    (record.code === null || typeof record.code === 'number') &&
    isTextOrNull(record.signal) &&
    typeof record.atUnixMs === 'number' &&
    typeof record.requested === 'boolean'
  );
}

function isPid(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 1;
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}
