/** One start: a port, the record on disk, the keeper with the engine under it, and the connection to the keeper. */
import { createHash, randomBytes } from 'node:crypto';
import type { TemplateConfig } from '../config/agent-config.js';
import { formatAddress } from '../config/listen-address.js';
import { maskArguments } from '../config/secret-values.js';
import type { EngineCommand } from './engine-adapter.js';
import { adapterOf } from './engine-adapters.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRecord, EngineStore, RunFacts } from './engine-record.js';
import { EngineRun } from './engine-run.js';
import { KeeperClient } from './keeper-client.js';
import { readKeeperRecord, type KeeperRecord } from './keeper-files.js';
import { launchKeeper, sweepRun } from './launch-keeper.js';
import type { StartMeans } from './prepare-start.js';
import { holdNameOf, internalPortOf, isHeldElsewhere } from './port-reservation.js';

export interface StartRequest {
  context: EngineContext;
  store: EngineStore;
  /** Its incarnation has been raised; `run` is set and saved here before anything starts. */
  record: EngineRecord;
  template: TemplateConfig;
  deviceUuids: string[];
  means: Pick<StartMeans, 'compileCacheDir' | 'extraArgs'>;
}

/** Where an engine listens unless its template says otherwise (design decision 11). */
const loopback = '127.0.0.1';
/** 256 bits, as much as anybody can guess. */
const keyBytes = 32;
/** Other agents of this machine may hold names of ports that look free. */
const maxPortTries = 20;

/** Rejects with one sentence; nothing runs then. */
export async function startEngine(request: StartRequest): Promise<EngineRun> {
  const { context, store, record, template } = request;
  let preferred = record.run?.port ?? null;
  for (let tries = 1; ; tries++) {
    const port = await context.ports.claim(template.listen ?? loopback, preferred);
    try {
      return await launchOn(port, request);
    } catch (error) {
      context.ports.release(port);
      record.run = null;
      store.saveSoon(record);
      if (!isHeldElsewhere(error) || tries >= maxPortTries) throw error;
      preferred = null;
    }
  }
}

async function launchOn(port: number, request: StartRequest): Promise<EngineRun> {
  const { context, store, record, template, deviceUuids } = request;
  const { listen, advertise = listen ?? loopback } = template;
  const apiKey = listen === undefined ? null : randomBytes(keyBytes).toString('base64url');
  const { argv, env } = await commandOn(port, apiKey, request);
  const facts: RunFacts = {
    incarnation: record.incarnation,
    port,
    url: `http://${formatAddress({ host: advertise, port })}`,
    ...(apiKey === null ? {} : { apiKey }),
    deviceUuids,
    argvHash: createHash('sha256').update(argv.join('\0')).digest('hex'),
    bootId: store.bootId,
  };
  record.run = facts;
  await store.save(record);
  const runDir = store.makeRunDir(record.incarnation);
  const { keeperPath, clock, settings } = context;
  await launchKeeper({
    keeperPath,
    runDir,
    argv,
    env,
    logMaxBytes: settings.logMaxBytes,
    cgroup: settings.cgroup,
    holdName: holdNameOf(port),
    argvHash: facts.argvHash,
    clock,
  });
  const keeper = readKeeperRecord(runDir);
  if (keeper.kind !== 'found') throw new Error(`expected ${runDir}/keeper.json after the launch`);
  return connectRun(context, store, facts, keeper.document.data);
}

/** For the program that is installed; the whole line is in the log, for a person to try by hand. */
async function commandOn(port: number, apiKey: string | null, request: StartRequest): Promise<EngineCommand> {
  const { context, record, template, deviceUuids, means } = request;
  const command = await adapterOf(template).command(
    template,
    {
      host: template.listen ?? loopback,
      port,
      apiKey,
      internalPort: internalPortOf(port),
      deviceUuids,
      ...means,
    },
    process.env,
  );
  const { argv, version, notes } = command;
  context.logger.info(
    { incarnation: record.incarnation, command: maskArguments(argv).join(' '), version, notes, deviceUuids },
    'engine command',
  );
  return command;
}

/** The run as an object, for a keeper that is there. Rejects when it does not answer. */
export async function connectRun(
  context: EngineContext,
  store: EngineStore,
  facts: RunFacts,
  keeper: KeeperRecord,
): Promise<EngineRun> {
  const { clock, logger, keeperPath } = context;
  const runDir = store.runDir(facts.incarnation);
  const client = await KeeperClient.connect(runDir, clock);
  return new EngineRun({
    incarnation: facts.incarnation,
    runDir,
    url: facts.url,
    apiKey: facts.apiKey,
    port: facts.port,
    deviceUuids: facts.deviceUuids,
    record: keeper,
    client,
    startedAtMs: clock.monotonicMs(),
    sweep: () => sweepRun(keeperPath, runDir, keeper, clock),
    clock,
    logger,
  });
}
