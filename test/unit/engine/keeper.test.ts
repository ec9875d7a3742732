// The keeper by itself: what it promises to an agent, and to the machine when the agent is not there.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeeperClient, type KeeperEvent } from '../../../src/engine/keeper-client.js';
import { launchKeeper, type LaunchRequest } from '../../../src/engine/launch-keeper.js';
import { readBootId, startTimeOf } from '../../../src/runtime/process-identity.js';
import { systemClock } from '../../../src/runtime/clock.js';
import { isGone, keeperPath, noProcessLeft, processesIn } from '../../support/engine-fleet.js';
import { eventually } from '../../support/running-up.js';

let directory: string;
let runDir: string;
const clients: KeeperClient[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infernode-keeper-'));
  runDir = join(directory, 'run');
  mkdirSync(runDir, { mode: 0o700 });
});
afterEach(async () => {
  for (const run of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (run.name === 'keeper.sock') await endKeeper(run.parentPath);
  for (const client of clients.splice(0)) client.close();
  await noProcessLeft(directory);
  rmSync(directory, { recursive: true, force: true });
});

function launch(script: string, overrides: Partial<LaunchRequest> = {}): Promise<void> {
  return launchKeeper({
    keeperPath: keeperPath(),
    runDir,
    argv: ['sh', '-c', script],
    env: { PATH: process.env['PATH'] ?? '' },
    logMaxBytes: 65_536,
    cgroup: 'auto',
    holdName: `infernode-test-${process.pid}-${Math.random()}`,
    argvHash: 'abc',
    clock: systemClock,
    ...overrides,
  });
}

async function client(events: KeeperEvent[] = []): Promise<KeeperClient> {
  const made = await KeeperClient.connect(runDir, systemClock);
  clients.push(made);
  made.onEvent((event) => events.push(event));
  return made;
}

async function endKeeper(directory: string): Promise<void> {
  const keeper = await KeeperClient.connect(directory, systemClock).catch(() => null);
  await keeper?.kill().catch(() => undefined);
  keeper?.close();
}

function record(file: string): Record<string, unknown> {
  const document = JSON.parse(readFileSync(join(runDir, file), 'utf8')) as Record<string, unknown>;
  expect(document).toMatchObject({ schema: 1, bootId: readBootId() });
  return document['data'] as Record<string, unknown>;
}

describe('what it records', () => {
  it('who the keeper and the leader are, before the engine can do anything', async () => {
    await launch('sleep 60');
    const keeper = record('keeper.json');
    expect(keeper['leaderStartTime']).toBe(startTimeOf(keeper['leaderPid'] as number));
    expect(keeper['keeperStartTime']).toBe(startTimeOf(keeper['keeperPid'] as number));
    expect(keeper).toMatchObject({ argvHash: 'abc' });
    // A group where this machine lets it make one; the reason where not. Both are good answers, silence is not.
    expect(keeper['cgroup'] === null).toBe(keeper['endsTreeBy'] === 'walk');
    expect(keeper['cgroup'] ?? keeper['cgroupReason']).toEqual(expect.any(String));
  });

  it('the exit code, and that nobody had asked', async () => {
    await launch('exit 3');
    await eventually('the keeper is done', () => !existsSync(join(runDir, 'keeper.sock')));
    expect(record('exit.json')).toMatchObject({ code: 3, signal: null, requested: false, error: null });
    expect(record('exit.json')['treeEmptyAtUnixMs']).toEqual(expect.any(Number));
  });

  it('the signal, and that it was asked for', async () => {
    await launch('exec sleep 60');
    const events: KeeperEvent[] = [];
    await (await client(events)).terminate();
    await eventually('the end is told', () => events.some(({ kind }) => kind === 'empty'));
    expect(record('exit.json')).toMatchObject({ code: null, signal: 'SIGTERM', requested: true });
    expect(events.map(({ kind }) => kind).slice(0, 2)).toEqual(['exit', 'empty']);
  });
});

describe.each(['auto', 'off'] as const)('the tree with --cgroup %s', (cgroup) => {
  it('goes with its leader, also what left the session and was forked twice', async () => {
    const stray = `setsid sh -c 'trap "" TERM; (while :; do sleep 1; done) & echo stray $!; wait' & `;
    await launch(`${stray} sleep 0.3; kill -9 $$`, { cgroup });
    await eventually('the keeper is done', () => !existsSync(join(runDir, 'keeper.sock')));
    const pid = Number(/stray (\d+)/.exec(readFileSync(join(runDir, 'engine.log'), 'utf8'))?.[1]);
    expect(isGone(pid)).toBe(true);
    expect(record('exit.json')).toMatchObject({ signal: 'SIGKILL' });
    await noProcessLeft(directory);
  });

  it('is killed on command, and its group is removed', async () => {
    await launch('trap "" TERM; sleep 60 & sleep 60 & wait; wait; sleep 60', { cgroup });
    const events: KeeperEvent[] = [];
    const keeper = await client(events);
    // The shell is the first process of the tree; its children follow when the machine lets them.
    await eventually('the tree has grown', async () => (await keeper.status()).pids.length >= 2);
    await keeper.kill();
    await eventually('the tree is empty', () => events.some(({ kind }) => kind === 'empty'));
    const group = record('keeper.json')['cgroup'] as string | null;
    await eventually('the keeper is gone', () => processesIn(directory).length === 0);
    expect(group === null || !existsSync(group)).toBe(true);
    if (cgroup === 'off') expect(group).toBeNull();
  });
});

describe('what it withstands', () => {
  it('the signals of a terminal, of a service manager and of a session that ends', async () => {
    await launch('sleep 60');
    const pid = record('keeper.json')['keeperPid'] as number;
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGPIPE'] as const)
      process.kill(pid, signal);
    expect((await (await client()).status()).exit).toBeNull();
  });

  it('a state directory longer than a socket path may be', async () => {
    runDir = join(directory, 'd'.repeat(100), 'e'.repeat(100), 'run');
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    await launch('sleep 60');
    expect((await (await client()).status()).record.leaderPid).toBe(record('keeper.json')['leaderPid']);
  });

  it('lines without end, unknown words and too many clients', async () => {
    await launch('sleep 60');
    const home = process.cwd();
    process.chdir(runDir);
    try {
      const flood = connect('keeper.sock');
      flood.on('error', () => undefined);
      const dropped = new Promise<void>((resolve) => flood.once('close', () => resolve()));
      flood.write('x'.repeat(10_000));
      await dropped;
      const reply = await new Promise<string>((resolve) => {
        const odd = connect('keeper.sock', () => odd.write('reboot\n'));
        odd.once('data', (data: Buffer) => {
          odd.destroy();
          resolve(data.toString());
        });
      });
      expect(JSON.parse(reply)).toMatchObject({ ok: false });
      const crowd = Array.from({ length: 20 }, () => connect('keeper.sock').on('error', () => undefined));
      let closed = 0;
      for (const one of crowd) one.once('close', () => (closed += 1)).resume();
      await eventually('twelve of twenty are turned away', () => closed >= 12);
      for (const one of crowd) one.destroy();
    } finally {
      process.chdir(home);
    }
    await eventually('it still answers', async () => (await client()).status().catch(() => null));
  });

  it('a second keeper for the same port', async () => {
    const holdName = `infernode-test-port-${process.pid}`;
    await launch('sleep 60', { holdName });
    runDir = join(directory, 'other');
    mkdirSync(runDir);
    await expect(launch('sleep 60', { holdName })).rejects.toThrow(/is held by another keeper/);
    expect(existsSync(join(runDir, 'keeper.json'))).toBe(false);
  });
});

describe('what it hands on', () => {
  it('no descriptor, no ignored signal and not its own umask', async () => {
    const script = 'ls -l /proc/self/fd; grep SigIgn /proc/self/status; umask; echo end';
    const parent: ChildProcess = spawn(
      'sh',
      [
        '-c',
        // A parent that leaks a descriptor and ignores SIGINT, as a careless service manager would.
        `exec 9</etc/passwd; trap "" INT; umask 027; exec "$0" "$@"`,
        keeperPath(),
        ...['--dir', runDir, '--log-max-bytes', '65536', '--', 'sh', '-c', script],
      ],
      { stdio: 'ignore', detached: true },
    );
    await new Promise((resolve) => parent.once('exit', resolve));
    const log = readFileSync(join(runDir, 'engine.log'), 'utf8');
    expect(log).not.toContain('/etc/passwd');
    expect(log).toMatch(/SigIgn:\s+0+\n/);
    expect(log).toMatch(/^0027$/m);
    expect(readdirSync(runDir).sort()).toEqual(['engine.log', 'exit.json', 'keeper.json']);
  });
});
