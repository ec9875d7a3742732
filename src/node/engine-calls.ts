/** The calls of `NodeService` about engines. A caller names engines and templates of this node, never a command. */
import type { handleServerStreamingCall, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { DeathRecord } from '../domain/engine-death.js';
import type { EngineStatus } from '../domain/engine.js';
import { InfernodeError } from '../domain/error-codes.js';
import { deathRecordToProto } from '../rpc/engine-death-proto.js';
import type { LogChunk } from '../rpc/generated/infernode/node/v1/LogChunk.js';
import type { NodeServiceHandlers } from '../rpc/generated/infernode/node/v1/NodeService.js';
import type { TailEngineLogRequest__Output } from '../rpc/generated/infernode/node/v1/TailEngineLogRequest.js';
import { reasonOf, toServiceError } from '../rpc/grpc-status.js';
import { engineToProto } from '../rpc/node-state-proto.js';
import type { Logger } from '../runtime/logger.js';
import type { NodeMetrics } from './node-metrics.js';
import type { EnginePlanner } from './plan-call.js';

/** The owner of the engines. Every method answers with the engine's state right after the change has begun. */
export interface EngineControl extends EnginePlanner {
  startEngine(request: { engineId: string; template: string; devices: string[] }): Promise<EngineStatus>;
  stopEngine(engineId: string): Promise<EngineStatus>;
  /** `null`: the template's deadline. */
  drainEngine(engineId: string, deadlineMs: number | null): Promise<EngineStatus>;
  restartEngine(engineId: string, deadlineMs: number | null): Promise<EngineStatus>;
  /** `null`: the template's level. */
  sleepEngine(engineId: string, level: 1 | 2 | null): Promise<EngineStatus>;
  wakeEngine(engineId: string): Promise<EngineStatus>;
  readonly archive: EngineArchivePart;
}

export interface EngineArchivePart {
  /** Newest first. */
  explain(engineId: string, limit: number | null): Promise<DeathRecord[]>;
  tail(
    request: { engineId: string; incarnation: number | null; tailBytes: number | null; follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<string>;
}

type Unary = <Request, Response>(
  method: string,
  handle: (request: Request) => Response | Promise<Response>,
) => (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => void;

export interface EngineCallsOptions {
  engines: EngineControl;
  metrics: NodeMetrics;
  logger: Logger;
}

type EngineHandlers = Pick<
  NodeServiceHandlers,
  | 'StartEngine'
  | 'StopEngine'
  | 'DrainEngine'
  | 'RestartEngine'
  | 'SleepEngine'
  | 'WakeEngine'
  | 'ExplainEngine'
  | 'TailEngineLog'
>;

/** Readers that wait for more of a log; each costs a look at a file four times a second. */
const maxFollowers = 32;

/** @param guard refuses a caller that speaks to an agent process that is gone */
export function engineCalls(
  { engines, metrics, logger }: EngineCallsOptions,
  unary: Unary,
  guard: (expectedEpoch: string) => void,
): EngineHandlers {
  /** Handlers whose answer is the engine. */
  const change = <Request extends { engineId: string; expectedEpoch: string }>(
    method: string,
    carryOut: (request: Request) => Promise<EngineStatus>,
  ) =>
    unary(method, async (request: Request) => {
      guard(request.expectedEpoch);
      requireEngineId(request.engineId);
      return engineToProto(await carryOut(request));
    });

  return {
    StartEngine: change('StartEngine', ({ engineId, template, devices }) =>
      engines.startEngine({ engineId, template, devices }),
    ),
    StopEngine: change('StopEngine', ({ engineId }) => engines.stopEngine(engineId)),
    DrainEngine: change('DrainEngine', ({ engineId, deadlineMs }) =>
      engines.drainEngine(engineId, deadlineMs || null),
    ),
    RestartEngine: change('RestartEngine', ({ engineId, deadlineMs }) =>
      engines.restartEngine(engineId, deadlineMs || null),
    ),
    SleepEngine: change('SleepEngine', ({ engineId, level }) =>
      engines.sleepEngine(engineId, requireLevel(level)),
    ),
    WakeEngine: change('WakeEngine', ({ engineId }) => engines.wakeEngine(engineId)),
    ExplainEngine: unary('ExplainEngine', async ({ engineId, limit }) => {
      requireEngineId(engineId);
      const deaths = await engines.archive.explain(engineId, limit || null);
      return { deaths: deaths.map(deathRecordToProto) };
    }),
    TailEngineLog: tailWith(engines.archive, metrics, logger),
  };
}

function tailWith(
  archive: EngineArchivePart,
  metrics: NodeMetrics,
  logger: Logger,
): handleServerStreamingCall<TailEngineLogRequest__Output, LogChunk> {
  let followers = 0;
  return (call) => {
    const { engineId, incarnation, tailBytes, follow } = call.request;
    const stop = new AbortController();
    for (const event of ['cancelled', 'close', 'error'] as const) call.on(event, () => stop.abort());
    const run = async (): Promise<void> => {
      requireEngineId(engineId);
      if (followers >= maxFollowers)
        throw new InfernodeError('queue-full', `expected at most ${maxFollowers} readers of logs at a time`);
      followers += 1;
      try {
        const request = { engineId, incarnation: incarnation || null, tailBytes: tailBytes || null, follow };
        for await (const text of archive.tail(request, stop.signal))
          // A reader that is slower than the log must not make us keep what it has not read.
          if (!call.write({ text })) await drained(call, stop.signal);
        call.end();
      } finally {
        followers -= 1;
      }
    };
    run().catch((thrown: unknown) => {
      const error = toServiceError(thrown);
      const reason = reasonOf(error) ?? 'internal';
      metrics.rpcErrors.inc({ method: 'TailEngineLog', reason });
      logger.info({ method: 'TailEngineLog', reason, details: error.details }, 'call refused');
      call.emit('error', error);
    });
  };
}

function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    call.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function requireEngineId(id: string): void {
  if (id === '') throw new InfernodeError('argument-invalid', 'expected engine_id to name an engine, got ""');
}

function requireLevel(level: number): 1 | 2 | null {
  if (level === 0) return null;
  if (level === 1 || level === 2) return level;
  throw new InfernodeError('argument-invalid', `expected level to be 1 or 2, got ${level}`);
}
