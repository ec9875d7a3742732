import { InvalidArgumentError, Option, type Command } from 'commander';
import { gpuProfiles } from '../domain/gpu-profiles.js';
import { driverProfiles } from '../sim/gpu-scenario.js';
import { wholeNumber } from './sim-gpu-arguments.js';
import type { RunUpOptions } from './up/run-up.js';

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('run agents, engines, a coordinator and the gateway on this machine; Ctrl-C ends all of it')
    .option(
      '--gateway <host:port>',
      'address of the OpenAI-compatible gateway; all else takes free ports',
      '127.0.0.1:8080',
    )
    .option('--nodes <n>', 'simulated nodes (with real GPUs there is one)', count, 2)
    .option('--gpus <n>', 'GPUs per node (default: 4 simulated ones, or those that the driver lists)', count)
    .option('--engines <n>', 'engines per node, sharing its GPUs evenly', count, 2)
    .option('--model <name>', 'model to serve; required for vLLM on real GPUs')
    .addOption(
      new Option('--profile <gpu>', 'simulated GPU').choices(Object.keys(gpuProfiles)).default('H100-80'),
    )
    .addOption(
      new Option('--driver <branch>', 'simulated driver branch')
        .choices(Object.keys(driverProfiles))
        .default('580'),
    )
    .option('--seed <n>', 'seed of everything simulated', wholeNumber('a seed', 0, 2 ** 31 - 1), 1)
    .option('--simulate', 'simulate even where there is an NVIDIA driver', false)
    .option('--json', 'print one JSON line when ready, then nothing', false)
    .option(
      '--state-dir <dir>',
      'directory of this cluster (default: the first free one under ~/.local/state/infernode)',
    )
    .addHelpText(
      'after',
      `
With an NVIDIA driver the real GPUs are watched, and vLLM serves --model when \`vllm\` is on the PATH.
Without one, simulated GPUs and simulated vLLM engines stand in behind the same interfaces.

Examples:
  infernode up                               two nodes, four GPUs and two engines each
  infernode up --json --gateway 127.0.0.1:0  for scripts
  infernode up --model meta-llama/Llama-3.1-8B-Instruct --gpus 1 --engines 1`,
    )
    .action(async (options: Omit<RunUpOptions, 'gpus'> & { gpus?: number }) => {
      const { runUp } = await import('./up/run-up.js');
      const { gpusPerNode } = await import('./up/plan-cluster.js');
      await runUp({ ...options, gpus: options.gpus ?? gpusPerNode(options) });
    });
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 64)
    throw new InvalidArgumentError('expected a whole number from 1 to 64.');
  return value;
}
