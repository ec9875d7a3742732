/**
 * A simulated GPU node: a directory with a copy of the NVML simulator, `scenario.json`, and the processes that hold memory
 * (README.md). Whoever opens the library in it sees these GPUs. Everything here edits that one file; the library and the
 * simulated engines notice by themselves.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { gpuProfiles, type GpuProfileName } from '../domain/gpu-profiles.js';
import { nativePath } from '../native/native-paths.js';
import { withoutSymbolsNewerThan } from './gpu-library.js';
import { gpuScenarioSchema, type GpuScenario } from './gpu-scenario-schema.js';
import { kernelLogFile } from './kernel-log.js';

export type { DeviceSettings, GpuScenario, ScenarioDevice, ScenarioEvent } from './gpu-scenario-schema.js';

/** Driver generations that can be rehearsed, each by one real version of it. */
export const driverProfiles = {
  '535': '535.183.01',
  '550': '550.90.07',
  '570': '570.86.15',
  '580': '580.65.06',
  '590': '590.44.01',
} as const;
export type DriverProfileName = keyof typeof driverProfiles;

export interface SimulatedNodeOptions {
  /** Number of GPUs, 0 to 64. */
  gpus: number;
  /** A name of `gpuProfiles`. */
  profile: string;
  /** Same seed, same identities. */
  seed: number;
  /** Default 580. */
  driver?: DriverProfileName;
  /** Default: the simulator of this build. */
  librarySource?: string;
}

export const scenarioFile = 'scenario.json';
/** A copy of each scenario that was put in place. */
const lastGoodFile = 'scenario.good.json';
const maxGpus = 64;

/** Makes the directory and what is in it; throws InfernodeError `argument-invalid` for bad options. */
export function createSimulatedNode(
  directory: string,
  options: SimulatedNodeOptions,
): { libraryPath: string; uuids: string[] } {
  const { gpus, profile, seed, driver = '580' } = options;
  if (!Object.hasOwn(gpuProfiles, profile))
    throw invalid(
      `expected the GPU profile to be one of ${Object.keys(gpuProfiles).join(', ')}, got "${profile}"`,
    );
  if (!Number.isInteger(gpus) || gpus < 0 || gpus > maxGpus)
    throw invalid(`expected the number of GPUs to be 0 to ${maxGpus}, got ${gpus}`);
  mkdirSync(join(directory, 'processes'), { recursive: true });
  const devices = Array.from({ length: gpus }, (_, index) => ({
    profile: profile as GpuProfileName,
    ...identityOf(seed, index),
    lost: false,
    set: {},
  }));
  const scenario = gpuScenarioSchema.parse({ schema: 1, driverVersion: driverProfiles[driver], devices });
  writeScenario(directory, scenario);
  writeFileSync(join(directory, kernelLogFile), '');
  return {
    libraryPath: copyLibrary(
      directory,
      driver,
      options.librarySource ?? nativePath('libinfernode_nvml_sim.so'),
    ),
    uuids: devices.map(({ uuid }) => uuid),
  };
}

/** The library as this driver ships it: functions of newer ones are not in its symbol table. */
function copyLibrary(directory: string, driver: DriverProfileName, source: string): string {
  const libraryPath = join(directory, 'libnvidia-ml.so.1');
  const temporary = `${libraryPath}.${process.pid}.tmp`;
  // A rename, so that a process that has the old file mapped keeps it.
  writeFileSync(temporary, withoutSymbolsNewerThan(readFileSync(source), Number(driver)), { mode: 0o755 });
  renameSync(temporary, libraryPath);
  return libraryPath;
}

/** PCI buses as on a common 8-GPU board, rising with the index as NVML orders them. */
const boardBuses = [0x18, 0x2a, 0x3a, 0x5d, 0x9a, 0xab, 0xba, 0xdb];

function identityOf(seed: number, index: number): { uuid: string; serial: string; pciBusId: string } {
  const hash = createHash('sha256').update(`infernode gpu ${seed} ${index}`).digest('hex');
  const uuid = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, 'GPU-$1-$2-$3-$4-$5');
  const serial = `165${String(parseInt(hash.slice(32, 42), 16) % 1e10).padStart(10, '0')}`;
  const domain = Math.floor(index / boardBuses.length);
  const bus = boardBuses[index % boardBuses.length] ?? 0;
  const pciBusId = `${domain.toString(16).padStart(8, '0')}:${bus.toString(16).padStart(2, '0')}:00.0`;
  return { uuid, serial, pciBusId };
}

/** What brings a node back whose file was broken by hand; empty where nothing was ever in order. */
function remedyFor(directory: string): string {
  const [good, broken] = [join(directory, lastGoodFile), join(directory, scenarioFile)];
  return existsSync(good) ? `; mend it, or take the last good one: cp ${good} ${broken}` : '';
}

/** Throws InfernodeError `argument-invalid` when there is no scenario in the directory, or none that can be used. */
export function readScenario(directory: string): GpuScenario {
  const path = join(directory, scenarioFile);
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalid(`expected a scenario in ${path}: ${messageOf(error)}${remedyFor(directory)}`, error);
  }
  const parsed = gpuScenarioSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(
    `${path}: ${issue ? `${issue.path.join('.')}: ${issue.message}` : 'not a scenario'}${remedyFor(directory)}`,
  );
}

/**
 * Reads, lets `edit` change it, and puts the whole file in place by one rename, so that no reader sees half of it. Editors
 * of one node take turns. Throws InfernodeError `argument-invalid` when the edit leaves something that is no scenario.
 */
export function editScenario(directory: string, edit: (scenario: GpuScenario) => void): GpuScenario {
  return withEditLock(directory, () => {
    const scenario = readScenario(directory);
    edit(scenario);
    const parsed = gpuScenarioSchema.safeParse(scenario);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw invalid(`${issue?.path.join('.')}: ${issue?.message}`);
    }
    writeScenario(directory, parsed.data);
    return parsed.data;
  });
}

/** The next sequence number, and the scenario knows that it is taken. */
export function takeSeq(scenario: GpuScenario): number {
  const newest = scenario.events.reduce((most, { seq }) => Math.max(most, seq), scenario.lastSeq ?? 0);
  scenario.lastSeq = newest + 1;
  return scenario.lastSeq;
}

function writeScenario(directory: string, scenario: GpuScenario): void {
  const path = join(directory, scenarioFile);
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(scenario, null, 2)}\n`);
  renameSync(temporary, path);
  // For people who edit the file by hand: what was last in order.
  copyFileSync(path, join(directory, lastGoodFile));
}

/** An edit takes about a millisecond; a lock this old belongs to an editor that was killed. */
const staleLockMs = 5000;
const lockRetryMs = 5;
const maxLockTries = 2000;

function withEditLock<T>(directory: string, work: () => T): T {
  const lock = join(directory, `${scenarioFile}.lock`);
  for (let tries = 0; !tryLock(lock); tries++) {
    if (tries >= maxLockTries)
      throw invalid(`another command keeps editing ${directory}; if none does, remove ${lock}`);
    removeStaleLock(lock);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockRetryMs);
  }
  try {
    return work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryLock(lock: string): boolean {
  try {
    closeSync(openSync(lock, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw invalid(`cannot edit the scenario: ${messageOf(error)}`, error);
  }
}

function removeStaleLock(lock: string): void {
  try {
    if (Date.now() - statSync(lock).mtimeMs > staleLockMs) rmSync(lock, { force: true });
  } catch {
    // Gone already: the next try gets it.
  }
}

function invalid(message: string, cause?: unknown): InfernodeError {
  return new InfernodeError('argument-invalid', message, { cause });
}
