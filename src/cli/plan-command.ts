import { existsSync, readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { stringify } from 'yaml';
import { gpuProfiles, type GpuProfile, type GpuProfileName } from '../domain/gpu-profiles.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { fromHfConfig } from '../engine/plan/from-hf-config.js';
import { findModel } from '../engine/plan/model-catalogue.js';
import type { ModelShape } from '../engine/plan/model-shape.js';
import { planEngine, type EnginePlan } from '../engine/plan/plan-engine.js';
import { assumedVllmVersion, vllmCommand, type VllmCommand } from '../engine/plan/vllm-command.js';

interface PlanOptions {
  model: string;
  gpus: { count: number; gpu: GpuProfile };
  nodes: number;
  sequences: number;
  context: number;
  weights?: number;
  kvDtype?: string;
  utilization: number;
  vllmVersion: string;
  json?: boolean;
  yaml?: boolean;
}

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description(
      'plan an engine: parallel sizes, KV cache, batch sizes and the exact `vllm serve` line for a model on given GPUs',
    )
    .requiredOption('--model <name|file>', 'catalogue name (llama-3.1-70b), or the path of a config.json')
    .requiredOption(
      '--gpus <NxGPU>',
      `GPUs per node, such as 8xH100-80; known: ${Object.keys(gpuProfiles).join(', ')}`,
      parseGpus,
    )
    .option('--nodes <n>', 'nodes of that kind; pipeline stages go over nodes', positive, 1)
    .option('--sequences <n>', 'what it must serve at once', positive, 32)
    .option('--context <tokens>', 'tokens of each of these sequences', positive, 8192)
    .option('--weights <bits>', "bits per weight: 16, 8 or 4 (default: the checkpoint's own)", weightBits)
    .option('--kv-dtype <dtype>', 'KV-cache dtype (default: 16 bit, fp8 where only that serves)')
    .option('--utilization <ratio>', 'share of GPU memory that vLLM takes', ratio, 0.92)
    .option('--vllm-version <version>', 'write the command for this version', version, assumedVllmVersion)
    .option('--json', 'one JSON object')
    .option('--yaml', "the engine template for the agent's configuration")
    .addHelpText(
      'after',
      '\nExamples:\n  infernode plan --model llama-3.1-70b --gpus 8xH100-80\n  infernode plan --model ./config.json --gpus 2xL40S --context 4096 --json',
    )
    .action((options: PlanOptions) => {
      const plan = planEngine({
        model: loadModel(options.model),
        gpu: options.gpus.gpu,
        gpusPerNode: options.gpus.count,
        nodes: options.nodes,
        weightBits: options.weights ?? null,
        kvCacheDtype: options.kvDtype ?? null,
        sequences: options.sequences,
        contextTokens: options.context,
        memoryUtilization: options.utilization,
      });
      const command = vllmCommand(plan, options.vllmVersion);
      if (options.json)
        process.stdout.write(`${JSON.stringify({ ...plan, command: command.argv, env: command.env })}\n`);
      else if (options.yaml) process.stdout.write(template(plan, command));
      else process.stdout.write(render(plan, command, options));
    });
}

function parseGpus(text: string): { count: number; gpu: GpuProfile } {
  const match = /^(?:(\d+)x)?(.+)$/i.exec(text);
  const name = Object.keys(gpuProfiles).find((known) => known.toLowerCase() === match?.[2]?.toLowerCase());
  const count = Number(match?.[1] ?? 1);
  if (name === undefined || count < 1)
    throw new InvalidArgumentError(`expected NxGPU with GPU one of ${Object.keys(gpuProfiles).join(', ')}.`);
  return { count, gpu: gpuProfiles[name as GpuProfileName] };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a positive whole number.');
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

function loadModel(name: string): ModelShape {
  if (!name.endsWith('.json') && !existsSync(name)) return findModel(name);
  try {
    return fromHfConfig(JSON.parse(readFileSync(name, 'utf8')), name);
  } catch (error) {
    if (error instanceof InfernodeError) throw error;
    throw new InfernodeError(
      'argument-invalid',
      `${name}: cannot read the model configuration: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** The agent's template with everything but model and address in `args`. */
function template(plan: EnginePlan, { argv, env }: VllmCommand): string {
  const name = (plan.model.split('/').at(-1) ?? plan.model).toLowerCase();
  return stringify({
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
  });
}

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(bytes % 1024 === 0 ? 0 : 2)} KiB`;
const sizes = (parallelism: EnginePlan['smallestThatLoads']): string =>
  parallelism
    ? `TP ${parallelism.tensorParallelSize} x PP ${parallelism.pipelineParallelSize}`
    : 'none of these';

function render(
  plan: EnginePlan,
  { argv, env }: VllmCommand,
  { sequences, context, gpus, nodes }: PlanOptions,
): string {
  const { memory } = plan;
  const rows: [string, string][] = [
    ['model', `${plan.model}, ${plan.weightBits}-bit weights`],
    [
      'GPUs',
      `${plan.gpus} of ${nodes > 1 ? `${nodes} x ` : ''}${gpus.count} x ${plan.gpu}: tensor parallel ${plan.tensorParallelSize}, pipeline parallel ${plan.pipelineParallelSize}`,
    ],
    ['smallest that loads', sizes(plan.smallestThatLoads)],
    [`smallest that serves ${sequences} x ${context}`, sizes(plan.smallestThatServes)],
    ['per GPU', `${gib(memory.usableBytes)} usable of ${gib(memory.totalBytes)}`],
    [
      '',
      `weights ${gib(memory.weightBytes)}, activations ~${gib(memory.activationBytes)}, CUDA graphs ~${gib(memory.cudaGraphBytes)}, context ~${gib(memory.contextBytes)}`,
    ],
    ['', `KV cache ${gib(memory.kvCacheBytes)}`],
    [
      'KV cache',
      `${plan.kvCacheDtype} (${plan.kvCacheQuality}): ${plan.kvCacheTokens.toLocaleString('en')} tokens`,
    ],
    [
      'KV bytes per token',
      Object.entries(plan.kvBytesPerToken)
        .map(([name, bytes]) => `${name} ${kib(bytes)}`)
        .join(', '),
    ],
    ['max model length', plan.maxModelLen.toLocaleString('en')],
    ['sequences at once', String(plan.maxNumSeqs)],
    ['batched tokens', String(plan.maxNumBatchedTokens)],
    ['attention', `${plan.attentionBackend} (${plan.attentionReason})`],
    ['CUDA-graph sizes', plan.cudagraphCaptureSizes.join(' ')],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const notes = plan.notes.map((note) => `note: ${note}`);
  const line = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...argv].join(' ');
  return `${[...lines, ...notes, '', line].join('\n')}\n`;
}
