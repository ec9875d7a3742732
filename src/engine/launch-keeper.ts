/** Starts keepers, and the short-lived form of a keeper that clears up after one that was killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';
import type { KeeperRecord } from './keeper-files.js';

export interface LaunchRequest {
  keeperPath: string;
  /** Absolute; made before, mode 0700. */
  runDir: string;
  argv: readonly string[];
  /** The engine's whole environment. */
  env: Readonly<Record<string, string>>;
  /** Bound of the engine's log on disk. */
  logMaxBytes: number;
  cgroup: 'auto' | 'off';
  /** Abstract socket that the keeper holds while the engine lives; the claim on its port. */
  holdName: string;
  argvHash: string;
  clock: Clock;
}

/** From spawn to the keeper's first line; an engine's program is read from disk in this time. */
const launchTimeoutMs = 20_000;
const sweepTimeoutMs = 10_000;
const maxOutput = 64 * 1024;

/** Resolves when the engine's program runs under its keeper. Rejects with one sentence that says why it does not. */
export async function launchKeeper(request: LaunchRequest): Promise<void> {
  const { keeperPath, runDir, argv, env, logMaxBytes, cgroup, holdName, argvHash, clock } = request;
  const options = ['--dir', runDir, '--log-max-bytes', String(logMaxBytes), '--cgroup', cgroup];
  const child = spawn(
    keeperPath,
    [...options, '--hold-name', holdName, '--argv-hash', argvHash, '--', ...argv],
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env },
  );
  const answer = await firstAnswer(child, clock, launchTimeoutMs);
  // The keeper goes on without us: nothing of it may hold this process.
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
  if (answer['ok'] !== true) throw new InfernodeError('internal', errorOf(answer));
}

export interface SweepResult {
  killed: number[];
  remaining: number[];
}

/**
 * Ends what a dead keeper left behind, as far as it is provably of this run. `record` is `null` when keeper.json is lost:
 * then only processes that carry the run's mark are found.
 */
export async function sweepRun(
  keeperPath: string,
  runDir: string,
  record: KeeperRecord | null,
  clock: Clock,
): Promise<SweepResult> {
  const known = record ? ['--leader', `${record.leaderPid}:${record.leaderStartTime}`] : [];
  const group = record?.cgroup ? ['--cgroup-path', record.cgroup] : [];
  const child = spawn(keeperPath, ['--sweep', '--dir', runDir, ...known, ...group], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const answer = await firstAnswer(child, clock, sweepTimeoutMs);
  const list = (value: unknown): number[] => (Array.isArray(value) ? (value as number[]) : []);
  if (answer['ok'] !== true)
    throw new InfernodeError('internal', `the sweep of ${runDir} failed: ${errorOf(answer)}`);
  return { killed: list(answer['killed']), remaining: list(answer['remaining']) };
}

/** The first line of a child as JSON; whatever goes wrong becomes `{ok:false,error}`. */
function firstAnswer(child: ChildProcess, clock: Clock, timeoutMs: number): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    const settle = (answer: Record<string, unknown>): void => {
      timer.cancel();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => {
      child.kill('SIGKILL');
      settle({ ok: false, error: `the keeper said nothing for ${timeoutMs} ms` });
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(0, maxOutput);
      const end = stdout.indexOf('\n');
      if (end >= 0) settle(parseAnswer(stdout.slice(0, end)));
    });
    child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (stderr = (stderr + text).slice(0, maxOutput)));
    child.once('error', (error) =>
      settle({ ok: false, error: `cannot run the keeper: ${messageOf(error)}` }),
    );
    child.once('close', (code, signal) =>
      settle({ ok: false, error: stderr.trim() || `the keeper ended with ${signal ?? code} at once` }),
    );
  });
}

function errorOf({ error }: Record<string, unknown>): string {
  return typeof error === 'string' ? error : 'the keeper gave no reason';
}

function parseAnswer(line: string): Record<string, unknown> {
  try {
    const answer: unknown = JSON.parse(line);
    if (typeof answer === 'object' && answer !== null) return answer as Record<string, unknown>;
  } catch {
    // Falls through: not an answer.
  }
  return { ok: false, error: `expected one JSON line of the keeper, got ${line.slice(0, 200)}` };
}
