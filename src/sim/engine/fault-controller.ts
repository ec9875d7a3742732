import { badRequest } from './api-error.js';
import type { EngineLog } from './engine-log.js';
import type { EngineProcesses } from './engine-processes.js';
import { parameter, word, type FaultSpec } from './fault-spec.js';
import type { GarbageKind, ServingFaults } from './serving-faults.js';
import type { SimulatedEngine } from './simulated-engine.js';

/** What a fault may touch. */
export interface FaultTargets {
  engine: SimulatedEngine;
  serving: ServingFaults;
  processes: EngineProcesses;
  log: EngineLog;
  setDelay: (ms: number) => void;
  setIgnoreSignals: (ignore: boolean) => void;
  setExitHangs: (hangs: boolean) => void;
  corruptCompileCache: () => boolean;
  /** Makes later starts fail; false when there is no fault file to write it to. */
  refuseNextStart: (spec: FaultSpec) => boolean;
  exit: (code: number) => void;
}

type Apply = (targets: FaultTargets, spec: FaultSpec) => void;

const unlimited = Number.MAX_SAFE_INTEGER;
const signals = ['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const;
type KillSignal = (typeof signals)[number];

/** Every fault that can be raised while the engine runs. README.md has the same table; a test compares them. */
export const runningFaults: Readonly<Record<string, Apply>> = {
  hang: ({ engine }) => engine.hang(),
  unhang: ({ engine }) => engine.unhang(),
  hold: ({ engine }) => (engine.scheduler.admits = false),
  release: ({ engine }) => {
    engine.scheduler.admits = true;
    engine.loop.wake();
  },
  slow: ({ engine }, spec) => (engine.loop.slowFactor = Math.max(0.001, parameter(spec, 'factor', 10))),
  die: ({ engine, setExitHangs }, spec) => {
    setExitHangs(spec.parameters['exitHangs'] === true);
    engine.die(word(spec, 'message', 'RuntimeError: Simulated failure of the model runner'));
  },
  oom: ({ engine }) =>
    engine.die(
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.65 GiB of which 512.00 MiB is free.',
    ),
  'cuda-error': ({ engine }, spec) =>
    engine.die(
      `torch.AcceleratorError: CUDA error: ${word(spec, 'message', 'an illegal memory access was encountered')}`,
    ),
  nccl: ({ engine }) =>
    engine.die(
      'torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error. Watchdog caught collective operation timeout',
    ),
  'worker-exit': ({ processes }, spec) =>
    processes.killWorker(parameter(spec, 'rank', 0), killSignal(word(spec, 'signal', 'SIGKILL'))),
  crash: (_targets, spec) => {
    process.kill(process.pid, killSignal(word(spec, 'signal', 'SIGKILL')));
  },
  'fork-away': ({ processes }) => processes.forkAway(),
  exit: ({ exit }, spec) => exit(parameter(spec, 'code', 1)),
  'ignore-sigterm': ({ setIgnoreSignals }, spec) => setIgnoreSignals(spec.parameters['ignore'] !== false),
  'health-delay': ({ serving }, spec) => (serving.healthDelayMs = parameter(spec, 'ms', 10_000)),
  'answer-delay': ({ setDelay }, spec) => setDelay(parameter(spec, 'ms', 1000)),
  'garbage-metrics': ({ serving }, spec) => serving.setGarbage(garbageKind(word(spec, 'kind', 'binary'))),
  'request-error': ({ serving }, spec) =>
    serving.failRequests(parameter(spec, 'status', 500), parameter(spec, 'count', 1)),
  'stream-cut': ({ serving }, spec) => arm(serving, 'cut', spec),
  'stream-truncate': ({ serving }, spec) => arm(serving, 'truncate', spec),
  'stream-error': ({ serving }, spec) => arm(serving, 'error', spec),
  'stderr-flood': ({ log }, spec) => flood((text) => log.stderr(text), spec),
  'stdout-flood': (_targets, spec) => flood((text) => void process.stdout.write(text), spec),
  'compile-cache': ({ corruptCompileCache }) => {
    if (!corruptCompileCache()) throw badRequest('there is no compile cache to corrupt');
  },
  'refuse-start': ({ refuseNextStart }, spec) => {
    if (!refuseNextStart(spec))
      throw badRequest('refuse-start on a running engine needs INFERNODE_SIM_FAULT_FILE');
  },
  clear: ({ engine, serving, setDelay, setIgnoreSignals }) => {
    serving.setGarbage(null);
    serving.failRequests(500, 0);
    serving.streams.arm(null, 0, 0);
    serving.healthDelayMs = 0;
    setDelay(0);
    setIgnoreSignals(false);
    engine.loop.slowFactor = 1;
    engine.scheduler.admits = true;
    engine.unhang();
  },
};

/** Raises a fault, after `afterMs` real milliseconds when given. Throws a 400 for a name that is not known. */
export function raiseFault(targets: FaultTargets, spec: FaultSpec): void {
  const apply = runningFaults[spec.fault];
  if (!apply)
    throw badRequest(
      `expected fault to be one of ${Object.keys(runningFaults).join(', ')}; got "${spec.fault}"`,
    );
  const afterMs = parameter(spec, 'afterMs', 0);
  if (afterMs <= 0) return apply(targets, spec);
  setTimeout(() => {
    try {
      apply(targets, spec);
    } catch (error) {
      targets.log.error('api', 'fault', error instanceof Error ? error.message : String(error));
    }
  }, afterMs).unref();
}

function arm(serving: ServingFaults, kind: 'cut' | 'truncate' | 'error', spec: FaultSpec): void {
  serving.streams.arm(kind, parameter(spec, 'count', unlimited), parameter(spec, 'afterEvents', 1));
}

function killSignal(name: string): KillSignal {
  const found = signals.find((signal) => signal === name);
  if (!found) throw badRequest(`expected signal to be one of ${signals.join(', ')}; got "${name}"`);
  return found;
}

function garbageKind(name: string): GarbageKind | null {
  if (name === 'none') return null;
  const kinds: readonly GarbageKind[] = ['binary', 'truncated', 'html', 'huge'];
  const found = kinds.find((kind) => kind === name);
  if (!found) throw badRequest(`expected kind to be one of ${kinds.join(', ')}, none; got "${name}"`);
  return found;
}

/** 64 KiB a millisecond until `bytes` are out; a reader that lags slows us down, as it would a real process. */
function flood(write: (text: string) => void, spec: FaultSpec): void {
  const line = `${'flood '.repeat(42).trim()}\n`;
  const part = line.repeat(Math.ceil(65_536 / line.length));
  let left = parameter(spec, 'bytes', 1_000_000);
  const timer = setInterval(() => {
    if (left <= 0) return clearInterval(timer);
    write(left >= part.length ? part : part.slice(0, left));
    left -= part.length;
  }, 1).unref();
}
