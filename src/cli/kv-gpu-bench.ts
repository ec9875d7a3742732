/** The GPU half of `infernode kv bench`: the program of `scripts/gpu-check` in a process of its own, and the table that it writes. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfernodeError } from '../domain/error-codes.js';
import { runNative } from './run-native.js';

/** Its exit statuses: parity or a part failed, and no usable GPU. */
const partFailed = 1;
const noGpu = 3;
/** Of parity; figures need no more. */
const rounds = '1';

/** The field `gpu` of `infernode kv bench --json`. */
export interface GpuResult {
  /** Times of a GPU are in `report.figures`; a simulated driver gives none. */
  measured: boolean;
  /** Why not; `null` where they were measured. */
  reason: string | null;
  /** As infernode-kv-gpu-check writes it; `null` without a usable GPU. */
  report: unknown;
}

export interface GpuBench {
  /** Markdown, or one line that says why there is none. */
  table: string;
  result: GpuResult;
}

export const gpuNotAsked: GpuResult = { measured: false, reason: '--no-gpu', report: null };

/** `library`: `libcuda.so.1`, or a path. Rejects when the program ends otherwise than it may. */
export async function benchGpu(library: string): Promise<GpuBench> {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-kv-gpu-'));
  try {
    const args = ['--library', library, '--rounds', rounds, '--out', directory];
    const { status, complaint: said } = await runNative('infernode-kv-gpu-check', args);
    const complaint = said.replace(/^infernode-kv-gpu-check: /, '');
    if (status === noGpu)
      return {
        table: `No GPU table: ${complaint}\n`,
        result: { measured: false, reason: complaint, report: null },
      };
    // A simulated driver's files say so in their names, and hold no times.
    const base = ['kv-gpu', 'kv-gpu-simulated'].map((name) => join(directory, name)).find(hasTable);
    if ((status !== 0 && status !== partFailed) || base === undefined)
      throw new InfernodeError('internal', `infernode-kv-gpu-check ended with ${status}: ${complaint}`);
    const table = readFileSync(`${base}.md`, 'utf8');
    return { table, result: resultOf(JSON.parse(readFileSync(`${base}.json`, 'utf8')) as Report) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Report {
  simulated: boolean;
  figures: unknown;
  parts: { part: string; state: string; reason: string | null }[];
}

function resultOf(report: Report): GpuResult {
  const { simulated, figures, parts } = report;
  if (simulated)
    return { measured: false, reason: 'a simulated driver: its times would mean nothing', report };
  if (figures !== null) return { measured: true, reason: null, report };
  const first = parts.find(({ state }) => state !== 'done');
  return { measured: false, reason: first ? `${first.part}: ${first.reason ?? first.state}` : null, report };
}

const hasTable = (base: string): boolean => existsSync(`${base}.md`);
