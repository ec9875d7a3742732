import type { EnginePlan } from '../engine/plan/plan-engine.js';
import type { VllmCommand } from '../engine/plan/vllm-command.js';
import type { VllmProgram } from '../engine/vllm-program.js';

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(bytes % 1024 === 0 ? 0 : 2)} KiB`;
const sizes = (parallelism: EnginePlan['smallestThatLoads']): string =>
  parallelism
    ? `TP ${parallelism.tensorParallelSize} x PP ${parallelism.pipelineParallelSize}`
    : 'none of these';

/** The plan as a table to be read from top to bottom: what for, what it takes, what it gives, how to start it. */
export function renderPlan(
  plan: EnginePlan,
  { argv, env, notes }: VllmCommand,
  program: VllmProgram,
  asked: { sequences: number; context: number; gpus: { count: number }; nodes: number },
): string {
  const { memory } = plan;
  const { sequences, context, gpus, nodes } = asked;
  const count = (value: number): string => value.toLocaleString('en');
  const total = memory.totalBytes - memory.usableBytes - memory.probeBytes;
  const rows: [string, string][] = [
    ['model', `${plan.model}, ${plan.weightBits}-bit weights`],
    [
      'engine',
      `${plan.gpus} of ${nodes > 1 ? `${nodes} x ` : ''}${gpus.count} x ${plan.gpu}: tensor parallel ${plan.tensorParallelSize}, pipeline parallel ${plan.pipelineParallelSize}`,
    ],
    ['engines that fit', String(plan.enginesThatFit)],
    ['smallest that loads', sizes(plan.smallestThatLoads)],
    [`smallest that serves ${sequences} x ${count(context)}`, sizes(plan.smallestThatServes)],
    [
      'per GPU',
      `${gib(memory.totalBytes)}: ${gib(memory.usableBytes)} for the engine${memory.probeBytes > 0 ? `, ${gib(memory.probeBytes)} for our heartbeat` : ''}, ${gib(total)} left alone`,
    ],
    ['  weights', gib(memory.weightBytes)],
    ['  KV cache', `${gib(memory.kvCacheBytes)} (${count(plan.kvCacheMemoryBytes)} bytes)`],
    ['  activations', `~${gib(memory.activationBytes)}`],
    [
      '  CUDA graphs',
      `~${gib(memory.cudaGraphBytes)} for ${plan.cudagraphCaptureSizes.length} sizes up to ${plan.cudagraphCaptureSizes.at(-1) ?? 0}`,
    ],
    ['  context, NCCL', `~${gib(memory.contextBytes)}`],
    ['KV dtype', `${plan.kvCacheDtype}: ${plan.kvCacheQuality}`],
    [
      'KV tokens',
      `${count(plan.kvCacheTokens)}, that is ${plan.maxNumSeqs} sequences of ${count(context)} or ${(plan.kvCacheTokens / plan.maxModelLen).toFixed(1)} of ${count(plan.maxModelLen)}`,
    ],
    ['max model length', count(plan.maxModelLen)],
    ['sequences at once', String(plan.maxNumSeqs)],
    ['batched tokens', count(plan.maxNumBatchedTokens)],
    ['attention', `${plan.attentionBackend} (${plan.attentionReason})`],
    [
      'vLLM',
      `${program.version ?? 'unknown'}${program.unknown === '' ? ' as installed' : ` (${program.unknown})`}`,
    ],
    ...Object.entries(plan.kvBytesPerToken).map(([name, bytes], at): [string, string] => [
      at === 0 ? 'KV bytes per token' : '',
      `${name.padEnd(20)} ${kib(bytes)}`,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const said = [...plan.notes, ...notes].map((note) => `note: ${note}`);
  const line = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...argv].join(' ');
  return `${[...lines, ...said, '', line].join('\n')}\n`;
}
