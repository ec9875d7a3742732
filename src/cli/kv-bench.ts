/** `infernode kv bench`: runs the native benchmark on this machine and prints its table; with --out, keeps it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { InfernodeError } from '../domain/error-codes.js';
import { benchGpu, gpuNotAsked } from './kv-gpu-bench.js';
import { runNative } from './run-native.js';

const share = z.number().positive();
/** Several threads by one; `null` when the machine had no cores to spare, absent when only one thread was asked for. */
const speedup = z.number().nullish();
const formatSchema = z.object({
  format: z.string(),
  bytesPerValue: z.number(),
  memcpyGBps: z.number(),
  limit: z.number(),
  encode: share,
  decode: share,
  encodeWithErrors: share,
  memcpySpeedup: speedup,
  encodeSpeedup: speedup,
  decodeSpeedup: speedup,
});
const outputSchema = z.object({
  simd: z.string(),
  mib: z.number(),
  repeats: z.number(),
  threads: z.number(),
  layout: z.enum(['nhd', 'hnd']),
  formats: z.array(formatSchema),
});
export type KvBenchOutput = z.infer<typeof outputSchema>;

export interface KvBenchReport extends KvBenchOutput {
  machine: { cpu: string; cores: number; memoryGiB: number };
  date: string;
}

/** Shares of memcpy that the kernels are held to; one thread. */
const budgets: Record<string, { encode: number; decode?: number }> = {
  int8_head: { encode: 0.75, decode: 0.75 },
  int8_tok: { encode: 0.75, decode: 0.75 },
  int8_chan: { encode: 0.65, decode: 0.75 },
  e4m3_head: { encode: 0.6, decode: 0.6 },
  e4m3_tok: { encode: 0.6, decode: 0.6 },
  e4m3_chan: { encode: 0.6, decode: 0.6 },
  int4a_g64: { encode: 0.7, decode: 0.7 },
};

interface BenchOptions {
  mib: string;
  repeats: string;
  threads: string;
  layout: string;
  formats?: string;
  simd?: string;
  gpu: boolean;
  library: string;
  json?: true;
  out?: string;
}

export function addKvBench(kv: Command): void {
  kv.command('bench')
    .description(
      'measure the CPU kernels on this machine as shares of memcpy (about a minute), and the kernels of its GPU where it has one',
    )
    .option('--mib <n>', 'MiB of input; more than the caches hold', '256')
    .option('--repeats <n>', 'median over this many', '9')
    .option('--threads <n>', 'also with so many threads', '2')
    .option('--layout <layout>', 'nhd or hnd blocks', 'nhd')
    .option('--formats <list>', 'such as int8_head,int4a_g64')
    .option('--simd <path>', 'avx512, avx2 or portable instead of the widest')
    .option('--library <path>', 'CUDA driver for the GPU half', 'libcuda.so.1')
    .option('--no-gpu', 'the CPU alone')
    .option(
      '--json',
      'print one JSON document; gpu.measured says whether a GPU was timed, gpu.reason why not',
    )
    .option('--out <directory>', 'also write kv-cpu.json and kv-cpu.md there')
    .action(runBench);
}

async function runBench(options: BenchOptions): Promise<void> {
  const report: KvBenchReport = {
    machine: machineName(),
    date: new Date().toISOString().slice(0, 10),
    ...parseBenchOutput(await measureCpu(options)),
  };
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const table = kvBenchTable(report);
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
    writeFileSync(join(options.out, 'kv-cpu.json'), json);
    writeFileSync(join(options.out, 'kv-cpu.md'), table);
  }
  const gpu = options.gpu ? await benchGpu(options.library) : null;
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ...report, gpu: gpu?.result ?? gpuNotAsked }, null, 2)}\n`);
  else process.stdout.write(gpu === null ? table : `${table}\n${gpu.table}`);
}

function machineName(): KvBenchReport['machine'] {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}

/** Arguments of infernode-kv-bench, each checked here so that its error names the option. */
export function benchArguments(options: Omit<BenchOptions, 'gpu' | 'library'>): string[] {
  const whole = (name: 'mib' | 'repeats' | 'threads', most: number): string[] => {
    const value = Number(options[name]);
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new InfernodeError(
        'argument-invalid',
        `--${name}: expected a whole number from 1 to ${most}, got ${options[name]}`,
      );
    return [`--${name}`, String(value)];
  };
  if (options.layout !== 'nhd' && options.layout !== 'hnd')
    throw new InfernodeError('argument-invalid', `--layout: expected nhd or hnd, got ${options.layout}`);
  return [
    ...whole('mib', 8192),
    ...whole('repeats', 101),
    ...whole('threads', 256),
    '--layout',
    options.layout,
    ...(options.formats === undefined ? [] : ['--formats', options.formats]),
  ];
}

async function measureCpu(options: BenchOptions): Promise<string> {
  const env = options.simd === undefined ? process.env : { ...process.env, INFERNODE_KV_SIMD: options.simd };
  const { status, output, complaint } = await runNative('infernode-kv-bench', benchArguments(options), {
    env,
  });
  if (status === 0) return output;
  throw new InfernodeError('argument-invalid', `infernode-kv-bench: ${complaint}`);
}

/** Throws `internal` when the program said something else than its table. */
export function parseBenchOutput(output: string): KvBenchOutput {
  const parsed = outputSchema.safeParse(JSON.parse(output));
  if (parsed.success) return parsed.data;
  throw new InfernodeError('internal', `infernode-kv-bench: ${z.prettifyError(parsed.error)}`);
}

export function kvBenchTable(report: KvBenchReport): string {
  const { machine, simd, mib, repeats, threads, layout, date } = report;
  const scaled = report.formats.some(({ encodeSpeedup }) => encodeSpeedup !== undefined);
  const head = ['format', 'bits/value', 'encode', 'budget', 'decode', 'budget', 'limit', 'encode + error'];
  const scalingHead = [`x${threads} memcpy`, `x${threads} encode`, `x${threads} decode`];
  const rows = report.formats.map((figures) => [
    ...tableRow(figures),
    ...(scaled ? scalingCells(figures) : []),
  ]);
  const columns = scaled ? [...head, ...scalingHead] : head;
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `# KV kernels on the CPU`,
    ``,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; path ${simd}; ${date}. ${mib} MiB of bf16, blocks of 16 x 8 x 128 (${layout}) in a shuffled`,
    `block table, \`chan\` over 8 blocks, checksums included. Shares are input bytes per second by those of memcpy (${median(report).toFixed(1)} GB/s), one thread,`,
    `median of ${repeats}. Limit: the traffic of memcpy by the least that encoding can cause, if memory moved bytes only as fast as for memcpy`,
    `(raw, a copy that fetches ahead, shows how much faster it can).`,
    ``,
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map(line),
    ``,
    ...(scaled ? [scalingNote(threads)] : []),
    `Made by \`infernode kv bench --out bench/results\`.`,
    ``,
  ].join('\n');
}

function median({ formats }: KvBenchOutput): number {
  const speeds = formats.map(({ memcpyGBps }) => memcpyGBps).sort((a, b) => a - b);
  return speeds[Math.floor(speeds.length / 2)] ?? 0;
}

function tableRow(figures: KvBenchOutput['formats'][number]): string[] {
  const budget = budgets[figures.format];
  const held = (value: number, least: number | undefined): string =>
    least === undefined ? '' : `${least.toFixed(2)}${value < least ? ' **missed**' : ''}`;
  return [
    figures.format,
    (8 * figures.bytesPerValue).toFixed(2),
    figures.encode.toFixed(2),
    held(figures.encode, budget?.encode),
    figures.decode.toFixed(2),
    held(figures.decode, budget?.decode),
    figures.limit.toFixed(2),
    figures.encodeWithErrors.toFixed(2),
  ];
}

function scalingCells(figures: KvBenchOutput['formats'][number]): string[] {
  return [figures.memcpySpeedup, figures.encodeSpeedup, figures.decodeSpeedup].map(
    (value) => value?.toFixed(2) ?? 'busy',
  );
}

const scalingNote = (threads: number): string =>
  `x${threads}: ${threads} threads by one, from runs in which each had a core to itself; "busy" where there were too few. Where memcpy gains as little, memory is the limit.\n`;
