import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { stringify } from 'yaml';
import { gpuProfiles, type GpuProfile, type GpuProfileName } from '../domain/gpu-profiles.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { fromHfConfig } from '../engine/plan/from-hf-config.js';
import { findModel } from '../engine/plan/model-catalogue.js';
import type { ModelShape } from '../engine/plan/model-shape.js';
import { readBatchSizes } from '../engine/batch-sizes.js';
import { fromNumbers, shapeHelp } from '../engine/plan/from-numbers.js';
import { defaultProbeBytes, planEngine, type EnginePlan } from '../engine/plan/plan-engine.js';
import {
  assumedVllmVersion,
  vllmCommandFor,
  type MemoryBy,
  type VllmCommand,
} from '../engine/plan/vllm-command.js';
import { VllmPrograms, type VllmProgram } from '../engine/vllm-program.js';
import { systemClock } from '../runtime/clock.js';
import { renderPlan } from './render-plan.js';
import { findOnPath } from './up/plan-cluster.js';

interface PlanOptions {
  model?: string;
  shape?: string;
  nvlink?: number;
  gpuMemory?: number;
  probeMemory: number;
  memoryBy: MemoryBy;
  batchSizes?: string;
  gpus: { count: number; gpu: GpuProfile };
  nodes: number;
  sequences: number;
  context: number;
  weights?: number;
  kvDtype?: string;
  utilization: number;
  vllm?: string;
  vllmVersion?: string;
  json?: boolean;
  yaml?: boolean;
}

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description(
      'plan an engine: parallel sizes, KV cache, batch sizes and the exact `vllm serve` line for a model on given GPUs',
    )
    .option(
      '--model <name|file>',
      'catalogue name (llama-3.1-70b), or the path of a checkpoint or its config.json',
    )
    .option('--shape <members>', `a dense model out of numbers instead: ${shapeHelp}`)
    .requiredOption(
      '--gpus <NxGPU>',
      `GPUs per node, such as 8xH100-80; known: ${Object.keys(gpuProfiles).join(', ')}`,
      parseGpus,
    )
    .option(
      '--nvlink <n>',
      'GPUs that NVLink joins within a node (default: all, for GPUs on a board with it; none for cards, 2 where they are bridged)',
      positive,
    )
    .option(
      '--gpu-memory <GiB>',
      'memory of each, where it is less than the GPU has: a MIG instance, a virtual GPU',
      gibibytes,
    )
    .option('--nodes <n>', 'nodes of that kind; pipeline stages go over nodes', positive, 1)
    .option('--sequences <n>', 'what it must serve at once', positive, 32)
    .option('--context <tokens>', 'tokens of each of these sequences', positive, 8192)
    .option('--weights <bits>', "bits per weight: 16, 8 or 4 (default: the checkpoint's own)", weightBits)
    .option('--kv-dtype <dtype>', 'KV-cache dtype (default: 16 bit, fp8 where only that serves)')
    .option('--utilization <ratio>', 'share of GPU memory that vLLM takes', ratio, 0.92)
    .addOption(
      new Option(
        '--memory-by <how>',
        'share: --gpu-memory-utilization; bytes: --kv-cache-memory-bytes, beside other users of the GPU',
      )
        .choices(['share', 'bytes'])
        .default('share'),
    )
    .option(
      '--probe-memory <MiB>',
      `context of infernode's own heartbeat on each GPU, about ${defaultProbeBytes / 1024 ** 2} where health.probe.heartbeat is on`,
      whole,
      0,
    )
    .option(
      '--batch-sizes <file>',
      "an engine's batch-sizes.json: CUDA graphs for the sizes that it really ran",
    )
    .option('--vllm <program>', 'write the command for this program (default: the vllm on the PATH)')
    .option('--vllm-version <version>', 'write the command for this version, whatever is installed', version)
    .option('--json', 'one JSON object')
    .option('--yaml', "the engine template for the agent's configuration")
    .addHelpText(
      'after',
      '\nExamples:\n  infernode plan --model llama-3.1-70b --gpus 8xH100-80\n  infernode plan --model ./config.json --gpus 2xL40S --context 4096 --json',
    )
    .action(async (options: PlanOptions) => {
      const plan = planEngine({
        model: loadModel(options),
        gpu: gpuOf(options),
        gpusPerNode: options.gpus.count,
        nodes: options.nodes,
        weightBits: options.weights ?? null,
        kvCacheDtype: options.kvDtype ?? null,
        sequences: options.sequences,
        contextTokens: options.context,
        memoryUtilization: options.utilization,
        probeBytes: options.probeMemory * 1024 ** 2,
        ...(options.nvlink === undefined ? {} : { nvlinkGpus: options.nvlink }),
        ...(options.batchSizes === undefined ? {} : { batchSizeCounts: loadBatchSizes(options.batchSizes) }),
      });
      const program = await findVllm(options);
      const command = vllmCommandFor(plan, program, options.memoryBy);
      if (options.json) {
        const { argv, env, notes } = command;
        const document = {
          ...plan,
          vllmVersion: program.version,
          command: argv,
          env,
          notes: [...plan.notes, ...notes],
        };
        process.stdout.write(`${JSON.stringify(document)}\n`);
      } else if (options.yaml) process.stdout.write(template(plan, command));
      else process.stdout.write(renderPlan(plan, command, program, options));
    });
}

/** The one that is named or installed; else what the planner's facts describe. */
async function findVllm({ vllm, vllmVersion }: PlanOptions): Promise<VllmProgram> {
  if (vllmVersion !== undefined) return { version: vllmVersion, flags: null, unknown: 'as asked for' };
  const path = vllm ?? findOnPath('vllm');
  if (path === null)
    return { version: assumedVllmVersion, flags: null, unknown: 'assumed: none is installed' };
  return new VllmPrograms(systemClock).of([path], process.env);
}

function loadBatchSizes(path: string): number[] {
  const counts = readBatchSizes(path);
  if (counts) return counts;
  throw new InfernodeError(
    'argument-invalid',
    `--batch-sizes: expected a batch-sizes.json of an engine at ${path}`,
  );
}

function parseGpus(text: string): { count: number; gpu: GpuProfile } {
  const match = /^(?:(\d+)x)?(.+)$/i.exec(text);
  const name = Object.keys(gpuProfiles).find((known) => known.toLowerCase() === match?.[2]?.toLowerCase());
  const count = Number(match?.[1] ?? 1);
  if (name === undefined || count < 1)
    throw new InvalidArgumentError(`expected NxGPU with GPU one of ${Object.keys(gpuProfiles).join(', ')}.`);
  return { count, gpu: gpuProfiles[name as GpuProfileName] };
}

/** A part of a GPU has no NVLink to others. */
function gpuOf({ gpus: { gpu }, gpuMemory }: PlanOptions): GpuProfile {
  if (gpuMemory === undefined) return gpu;
  const memoryBytes = Math.min(gpu.memoryBytes, gpuMemory * 1024 ** 3);
  return { ...gpu, name: `${gpu.name} (${gpuMemory} GiB of it)`, memoryBytes, nvlink: 'none' };
}

function gibibytes(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('expected a number above 0, in GiB.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a positive whole number.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number, 0 or more.');
  return value;
}

function weightBits(text: string): number {
  if (!['16', '8', '4'].includes(text)) throw new InvalidArgumentError('expected 16, 8 or 4.');
  return Number(text);
}

function ratio(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('expected a number above 0, at most 1.');
  return value;
}

function version(text: string): string {
  if (!/^v?\d+\.\d+/.test(text))
    throw new InvalidArgumentError(`expected a version such as ${assumedVllmVersion}.`);
  return text;
}

function loadModel({ model: name, shape }: PlanOptions): ModelShape {
  if ((name === undefined) === (shape === undefined))
    throw new InfernodeError('argument-invalid', 'expected either --model or --shape');
  if (name === undefined) return fromNumbers(shape ?? '');
  if (!name.endsWith('.json') && !existsSync(name)) return findModel(name);
  const file = name.endsWith('.json') ? name : join(name, 'config.json');
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return fromHfConfig(config, servedAs(file, config));
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    throw new InfernodeError(
      'argument-invalid',
      `${name}: cannot read the model configuration: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** What `vllm serve` takes for the model of a configuration: the directory of a checkpoint, else the name that it tells. */
function servedAs(file: string, config: unknown): string {
  if (basename(file) === 'config.json') return dirname(resolve(file));
  const told = (config as { _name_or_path?: unknown } | null)?._name_or_path;
  return typeof told === 'string' && told !== '' ? told : basename(file, '.json');
}

/** The agent's template with everything but model and address in `args`. */
function template(plan: EnginePlan, { argv, env }: VllmCommand): string {
  const name = (plan.model.split('/').at(-1) ?? plan.model).toLowerCase();
  const line = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...argv].join(' ');
  return `# ${line}\n${stringify({
    templates: {
      [name]: {
        adapter: 'vllm',
        model: plan.model,
        args: argv.slice(3),
        env,
        gpus: plan.gpus,
        maxConcurrentRequests: plan.maxNumSeqs,
      },
    },
  })}`;
}
