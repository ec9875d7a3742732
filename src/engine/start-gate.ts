/**
 * What must be true of the devices before an engine starts on them: the memory that it will ask for is really free, nothing
 * of its earlier runs is left, and no other engine measures its memory there. vLLM takes a snapshot of free memory while it
 * starts and refuses, or sizes its cache wrongly, when another process takes or frees memory meanwhile (contract 5.4).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '../runtime/clock.js';
import type { MemoryNeed } from './engine-adapter.js';
import type { EngineContext } from './engine-context.js';
import { StartRefused } from './engine-errors.js';

export interface GateRequest {
  /** Directory of the engine's runs: processes that carry its mark are leftovers. */
  engineDir: string;
  deviceUuids: readonly string[];
  need: MemoryNeed | null;
  /** Aborted when the start is not wanted any more. */
  signal: AbortSignal;
  /** What is waited for, in a few words; again when it changes. */
  say: (waiting: string) => void;
}

const pollMs = 250;
const gibibyte = 1024 ** 3;
/** Rounding between what the driver says free and what a process can take. */
const slackBytes = 64 * 1024 ** 2;

/** Resolves when the devices are ready, or when the signal aborts. Throws StartRefused when that does not come in time. */
export async function passStartGate(context: EngineContext, request: GateRequest): Promise<void> {
  const { clock, settings } = context;
  const deadlineMs = clock.monotonicMs() + settings.gateLimitMs;
  let said = '';
  while (!request.signal.aborted) {
    const blocked = leftoversOf(request.engineDir) ?? memoryMissing(context, request);
    if (blocked === null) return;
    if (clock.monotonicMs() >= deadlineMs)
      throw new StartRefused(
        'out-of-memory',
        `not started: ${blocked}; it stayed so for ${settings.gateLimitMs / 1000} s`,
      );
    if (said !== blocked) request.say(`waiting: ${(said = blocked)}`);
    await sleep(clock, pollMs, request.signal);
  }
}

/** Before the gate, which then sees the memory of the probe back. All devices at a time; throws StartRefused for those that fail. */
export async function passPreflight(
  { inputs: { preflight } }: Pick<EngineContext, 'inputs'>,
  deviceUuids: readonly string[],
  signal: AbortSignal,
  say: (waiting: string) => void,
): Promise<void> {
  if (signal.aborted || preflight === null) return;
  say('waiting: the devices are probed');
  const answers = await Promise.all(
    deviceUuids.map(async (uuid) => ({ uuid, failure: await preflight(uuid) })),
  );
  const failed = answers.filter(({ failure }) => failure !== null);
  if (failed.length === 0) return;
  const told = failed.map(({ uuid, failure }) => `device ${uuid} failed its probe: ${failure}`);
  throw new StartRefused('cuda-error', `not started: ${told.join('; ')}`);
}

/** A device without a reading is not judged: no news is no reason to keep an engine down. */
function memoryMissing({ inputs }: EngineContext, { deviceUuids, need }: GateRequest): string | null {
  if (need === null) return null;
  for (const uuid of deviceUuids) {
    const reading = inputs.reading(uuid);
    const { memoryFreeBytes: free = null, memoryTotalBytes: total = null } = reading ?? {};
    if (free === null || total === null) continue;
    const wanted = 'ratio' in need ? total * need.ratio : need.bytes;
    if (free + slackBytes >= wanted) continue;
    const gib = (bytes: number): string => (bytes / gibibyte).toFixed(1);
    return `device ${uuid} has ${gib(free)} of ${gib(total)} GiB free, the engine takes ${gib(wanted)} GiB`;
  }
  return null;
}

/** Processes that carry the mark of one of the engine's runs (native/keeper/README.md); those of others cannot be read. */
export function leftoversOf(engineDir: string): string | null {
  const mark = `INFERNODE_KEEPER_RUN=${engineDir}/`;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && carries(name, mark));
  return pids.length === 0 ? null : `processes ${pids.slice(0, 8).join(', ')} of an earlier run still stand`;
}

function carries(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
      .split('\0')
      .some((entry) => entry.startsWith(mark));
  } catch {
    return false;
  }
}
