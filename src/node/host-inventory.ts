/**
 * What kind of machine this is: read once at start, for people. The only file that uses `systeminformation`, because that
 * package runs commands: nothing from outside reaches it, it has a time limit, and a failure leaves the fields empty.
 * Everything periodic reads /proc, /sys and os instead.
 */
import { arch, cpus, release, totalmem } from 'node:os';
import { messageOf } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';
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

const timeLimitMs = 5_000;

export async function readHostInventory(clock: Clock, logger: Logger): Promise<HostInventory> {
  const slow = await withinLimit(clock, readFromSystem()).catch((error: unknown) => {
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

async function readFromSystem(): Promise<SlowPart> {
  const { osInfo, system } = (await import('systeminformation')).default;
  const [machine, os] = await Promise.all([system(), osInfo()]);
  return {
    manufacturer: machine.manufacturer,
    model: machine.model,
    operatingSystem: `${os.distro} ${os.release}`.trim(),
  };
}

function withinLimit<T>(clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeLimitMs, () =>
      reject(new Error(`expected an answer within ${timeLimitMs} ms`)),
    );
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
