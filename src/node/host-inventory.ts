/**
 * What kind of machine this is: read once at start, for people. The only file that uses `systeminformation`, because that
 * package runs commands: nothing from outside reaches it, it has a time limit, and a failure leaves the fields empty.
 * Everything periodic reads /proc, /sys and os instead.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch, cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { messageOf } from '../domain/error-codes.js';
import type { Logger } from '../runtime/logger.js';

export interface HostInventory {
  manufacturer: string;
  model: string;
  /** Name and version of the distribution. */
  operatingSystem: string;
  kernel: string;
  architecture: string;
  cpu: string;
  cpuCores: number;
  memoryBytes: number;
}

const execute = promisify(execFile);
const timeLimitMs = 5_000;

export async function readHostInventory(logger: Logger): Promise<HostInventory> {
  const slow = await readFromSystem().catch((error: unknown) => {
    logger.warn({ reason: messageOf(error) }, 'host inventory is incomplete');
    return { manufacturer: '', model: '', operatingSystem: '' };
  });
  return {
    ...slow,
    kernel: release(),
    architecture: arch(),
    cpu: cpus()[0]?.model.trim() ?? '',
    cpuCores: cpus().length,
    memoryBytes: totalmem(),
  };
}

type SlowPart = Pick<HostInventory, 'manufacturer' | 'model' | 'operatingSystem'>;

/** Runs in the child: the package by its path, one line of JSON as the answer. */
const script = `
const { osInfo, system } = require(process.argv[1]);
Promise.all([system(), osInfo()]).then(([{ manufacturer, model }, { distro, release }]) =>
  console.log(JSON.stringify({ manufacturer, model, operatingSystem: (distro + ' ' + release).trim() })));
`;

/** In a process of its own, because what the package loads would stay in the agent's memory for good. */
async function readFromSystem(): Promise<SlowPart> {
  const file = createRequire(import.meta.url).resolve('systeminformation');
  const { stdout } = await execute(process.execPath, ['--eval', script, file], { timeout: timeLimitMs });
  return JSON.parse(stdout) as SlowPart;
}
