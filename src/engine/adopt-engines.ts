/**
 * Finds the engine that an earlier agent process left running. What is believed: a keeper that answers on its socket, and
 * records of this boot whose pid and start time agree with /proc. What cannot be believed is set aside and counted, and
 * what provably belongs to the engine but has no keeper any more is ended; nothing else is ever signalled.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../domain/error-codes.js';
import { sleep } from '../runtime/clock.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRecord, EngineStore } from './engine-record.js';
import type { EngineRun } from './engine-run.js';
import { KeeperClient } from './keeper-client.js';
import { readExitRecord, readKeeperRecord, type KeeperRecord } from './keeper-files.js';
import { sweepRun } from './launch-keeper.js';
import { connectRun } from './start-engine.js';

/** A keeper may be between its launch and its first record when the agent before died; that takes milliseconds. */
const socketName = 'keeper.sock';
const recordAttempts = 10;
const recordPauseMs = 100;

/**
 * The run to take over, or `null`: then nothing of the engine is left and it starts cold. Rejects when that cannot be told
 * or brought about; the engine must not start then.
 */
export async function adoptEngine(
  context: EngineContext,
  store: EngineStore,
  record: EngineRecord,
  engineId: string,
): Promise<EngineRun | null> {
  const [newest, ...older] = store.runs();
  for (const incarnation of older) await endLeftover(context, store, incarnation, engineId);
  if (newest === undefined) return null;
  record.incarnation = Math.max(record.incarnation, newest);
  const facts = record.run;
  if (facts?.bootId !== store.bootId || facts.incarnation !== newest) {
    // The facts belong to another run or boot, or are lost: an engine without a known address serves nobody.
    await endLeftover(context, store, newest, engineId);
    return null;
  }
  const keeper = await findKeeper(context, store, newest, engineId);
  if (!keeper) return null;
  try {
    const run = await connectRun(context, store, facts, keeper);
    context.logger.info({ engine: engineId, incarnation: newest, pid: run.leaderPid }, 'engine taken over');
    return run;
  } catch (error) {
    context.logger.warn(
      { engine: engineId, reason: messageOf(error) },
      'the keeper does not answer any more',
    );
    await sweep(context, store.runDir(newest), keeper);
    return null;
  }
}

/** The keeper of a run, when it lives. When it does not, what it left behind is ended. */
async function findKeeper(
  context: EngineContext,
  store: EngineStore,
  incarnation: number,
  engineId: string,
): Promise<KeeperRecord | null> {
  const runDir = store.runDir(incarnation);
  const known = await readRecord(context, store, runDir);
  if (known === 'other-boot') return forget(runDir);
  const alive = await askKeeper(context, runDir);
  if (alive) return alive;
  const exit = readExitRecord(runDir);
  if (exit.kind === 'bad') setAside(context, runDir, exit.reason);
  if (exit.kind === 'found') {
    const { data } = exit.document;
    const news = { engine: engineId, exit: data };
    if (data.requested) context.logger.info(news, 'the engine has ended as it was told');
    else context.logger.warn(news, 'the engine ended while no agent ran');
  }
  const over = exit.kind === 'found' && exit.document.data.treeEmptyAtUnixMs !== null;
  if (!over) await sweep(context, runDir, known);
  return forget(runDir);
}

/** The socket is the mark of a run that may still have something to end. */
function forget(runDir: string): null {
  rmSync(join(runDir, socketName), { force: true });
  return null;
}

/** keeper.json of this boot. One of another boot speaks of processes that cannot exist, and of pids that others have now. */
async function readRecord(
  context: EngineContext,
  store: EngineStore,
  runDir: string,
): Promise<KeeperRecord | 'other-boot' | null> {
  for (let attempt = 0; attempt < recordAttempts; attempt++) {
    const read = readKeeperRecord(runDir);
    if (read.kind === 'found') {
      if (read.document.bootId === store.bootId) return read.document.data;
      context.metrics.stateFileSetAside('other-boot');
      renameSync(join(runDir, 'keeper.json'), join(runDir, 'keeper.json.bad'));
      return 'other-boot';
    }
    if (read.kind === 'bad') {
      setAside(context, runDir, read.reason);
      return null;
    }
    if (readExitRecord(runDir).kind !== 'absent') return null;
    await sleep(context.clock, recordPauseMs);
  }
  return null;
}

/** Who answers on the socket of our own directory is the keeper, whatever the records say. */
async function askKeeper(context: EngineContext, runDir: string): Promise<KeeperRecord | null> {
  let client: KeeperClient | null = null;
  try {
    client = await KeeperClient.connect(runDir, context.clock);
    return (await client.status()).record;
  } catch {
    return null;
  } finally {
    client?.close();
  }
}

/** A run that is not to be taken over: its keeper is told to end it, and where there is none, it is swept. */
async function endLeftover(
  context: EngineContext,
  store: EngineStore,
  incarnation: number,
  engineId: string,
): Promise<void> {
  const runDir = store.runDir(incarnation);
  if (!existsSync(join(runDir, socketName))) return;
  const keeper = await findKeeper(context, store, incarnation, engineId);
  if (!keeper) return;
  context.logger.warn({ runDir, pid: keeper.leaderPid }, 'a run without known address is ended');
  const client = await KeeperClient.connect(runDir, context.clock);
  const over = new Promise<void>((resolve) =>
    client.onEvent((event) => {
      if (event.kind === 'empty' || event.kind === 'closed') resolve();
    }),
  );
  await client.kill();
  await over;
  client.close();
}

async function sweep(context: EngineContext, runDir: string, record: KeeperRecord | null): Promise<void> {
  const { killed, remaining } = await sweepRun(context.keeperPath, runDir, record, context.clock);
  if (killed.length > 0)
    context.logger.warn({ runDir, killed, remaining }, 'an engine without keeper was ended');
  if (remaining.length > 0) throw new Error(`processes ${remaining.join(', ')} of an earlier run do not end`);
}

function setAside(context: EngineContext, runDir: string, reason: string): void {
  context.metrics.stateFileSetAside('unreadable');
  context.logger.warn({ runDir, reason }, 'state file set aside');
}
