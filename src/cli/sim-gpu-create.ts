import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { gpuProfiles } from '../domain/gpu-profiles.js';
import {
  createSimulatedNode,
  driverProfiles,
  scenarioFile,
  type DriverProfileName,
} from '../sim/gpu-scenario.js';
import { invalid, wholeNumber } from './sim-gpu-arguments.js';

interface CreateOptions {
  gpus: number;
  profile: string;
  driver: DriverProfileName;
  seed: number;
  json?: boolean;
}

/** `infernode sim gpu create DIRECTORY`: GPUs for an agent that is installed as a service, before there are real ones. */
export function addSimGpuCreate(gpu: Command): void {
  gpu
    .command('create')
    .description('make a simulated node: a directory with an NVML library whose GPUs any agent can be given')
    .argument('<directory>', 'new or empty of simulated GPUs')
    .option('--gpus <n>', 'number of GPUs', wholeNumber('a number of GPUs', 0, 64), 4)
    .addOption(
      new Option('--profile <name>', 'kind of GPU').choices(Object.keys(gpuProfiles)).default('H100-80'),
    )
    .addOption(
      new Option('--driver <branch>', 'driver branch').choices(Object.keys(driverProfiles)).default('580'),
    )
    .option('--seed <n>', 'same seed, same UUIDs', wholeNumber('a seed', 0, 2 ** 31), 1)
    .option('--json', 'print the outcome as one JSON line')
    .addHelpText(
      'after',
      `
Point the agent at it with nvml.library, and mark what it tells as a drill:
  infernode sim gpu create /opt/infernode-gpus --gpus 2
  infernode agent --set nvml.library=/opt/infernode-gpus/libnvidia-ml.so.1 --set nvml.drill=true
  infernode sim gpu xid 79 --gpu 0 --scenario /opt/infernode-gpus`,
    )
    .action(create);
}

function create(directory: string, { json, ...options }: CreateOptions): void {
  if (existsSync(join(directory, scenarioFile)))
    throw invalid(`expected a directory without ${scenarioFile}, got "${directory}"; remove it, or reset it`);
  const made = createSimulatedNode(directory, options);
  process.stdout.write(
    json
      ? `${JSON.stringify({ directory, ...made })}\n`
      : `${options.gpus} ${options.profile} behind ${made.libraryPath}\n`,
  );
}
