/** What the node remembers on disk, who may hold the directory, and what a bad file costs (nothing but memory). */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBootId, readMachineId } from '../../../src/node/node-identity.js';
import { NodeStore } from '../../../src/node/node-store.js';
import { removeStale, StateLock } from '../../../src/node/state-lock.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { readStateFile, writeStateFile } from '../../../src/runtime/state-file.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'infernode-node-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const isText = (value: unknown): value is string => typeof value === 'string';
const open = (stateDir = dir) =>
  new NodeStore({ stateDir, bootId: 'b1', isHealth: isText, logger: silentLogger() });

describe('NodeStore', () => {
  it('remembers the newest of what was saved', async () => {
    const store = open();
    expect(store.health).toBeNull();
    for (let i = 0; i < 100; i++) store.save({ health: `h${i}` });
    store.save({ machineId: 'm' });
    await store.flush();
    expect(open()).toMatchObject({ health: 'h99', machineId: 'm', problem: null });
  });

  it.each([
    '',
    '{"schema":1,"bootId',
    '[]',
    'null',
    '{"schema":9,"bootId":"b","data":{}}',
    '{"schema":1,"bootId":"b","data":{"cordons":[],"health":7}}',
  ])('sets %j aside and starts cold', (content) => {
    writeFileSync(join(dir, 'node.json'), content);
    expect(open().health).toBeNull();
    expect(readFileSync(join(dir, 'node.json.bad'), 'utf8')).toBe(content);
    expect(existsSync(join(dir, 'node.json'))).toBe(false);
  });

  it('a disk that cannot be written is said, and the state stays in memory', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    const store = open(join(file, 'not-a-directory'));
    store.save({ health: 'x' });
    await store.flush();
    expect(store.health).toBe('x');
    expect(store.problem).toMatch(/cannot be written/);
  });
});

describe('state files', () => {
  it('are written whole, privately, and leave no temporary file', () => {
    const path = join(dir, 'deep', 'er', 'x.json');
    writeStateFile(path, { schema: 2, bootId: 'b', data: 'v' });
    expect(readStateFile(path, 2, isText)).toEqual({
      kind: 'found',
      document: { schema: 2, bootId: 'b', data: 'v' },
    });
    expect(existsSync(`${path}.${process.pid}.tmp`)).toBe(false);
    expect(readStateFile(join(dir, 'none'), 1, isText)).toEqual({ kind: 'absent' });
  });
});

describe('StateLock', () => {
  it('refuses a second agent and names the first; a release lets the next in', () => {
    const lock = StateLock.take(dir, 'boot');
    expect(() => StateLock.take(dir, 'boot')).toThrow(
      new RegExp(`in use by another agent \\(pid ${process.pid}\\)`),
    );
    lock.release();
    lock.release();
    StateLock.take(dir, 'boot').release();
  });

  it.each([
    [
      'of a dead process',
      () => JSON.stringify({ pid: spawnSync('true').pid, startTime: '1', bootId: 'boot' }),
    ],
    ['of a pid used again', () => JSON.stringify({ pid: process.pid, startTime: '1', bootId: 'boot' })],
    ['of another boot', () => JSON.stringify({ pid: process.pid, startTime: ownStartTime(), bootId: 'old' })],
    ['that is torn', () => '{"pid":'],
  ])('takes over a lock %s', (_what, content) => {
    writeFileSync(join(dir, 'lock'), content());
    const lock = StateLock.take(dir, 'boot');
    expect(JSON.parse(readFileSync(lock.path, 'utf8'))).toMatchObject({ pid: process.pid });
    lock.release();
  });

  it('between two that find one stale lock, the slower gives back what the faster has put there', () => {
    const path = join(dir, 'lock');
    const winner = StateLock.take(dir, 'boot');
    const content = readFileSync(path, 'utf8');
    removeStale(path, join(dir, 'aside'), '{"pid":1,"startTime":"1","bootId":"old"}');
    expect(readFileSync(path, 'utf8')).toBe(content);
    winner.release();
    removeStale(path, join(dir, 'aside'), content);
    expect(readdirSync(dir)).not.toContain('aside');
  });

  it('says when the directory cannot be used', () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    expect(() => StateLock.take(file, 'boot')).toThrow(/to be a directory that this user can write/);
  });
});

describe('identity', () => {
  it('takes the configured machine id, else the file, else the stored one, else makes one up', () => {
    const file = join(dir, 'machine-id');
    expect(readMachineId('mine', null, file)).toBe('mine');
    expect(readMachineId('auto', 'stored', file)).toBe('stored');
    expect(readMachineId('auto', null, file)).toMatch(/^[0-9a-f-]{36}$/);
    writeFileSync(file, 'abc\n');
    expect(readMachineId('auto', 'stored', file)).toBe('abc');
    mkdirSync(join(dir, 'boot'));
    expect(readBootId(file)).toBe('abc');
    expect(readBootId(join(dir, 'boot'))).toMatch(/^[0-9a-f-]{36}$/);
  });
});

function ownStartTime(): string {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
