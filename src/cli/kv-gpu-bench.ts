/** The GPU half of `infernode kv bench`: the program of `scripts/gpu-check` in a process of its own, and the table that it writes. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfernodeError } from '../domain/error-codes.js';
import { nativePath } from '../native/native-paths.js';

/** Its exit statuses: parity or a part failed, and no usable GPU. */
const partFailed = 1;
const noGpu = 3;
/** Of parity; figures need no more. */
const rounds = '1';

export interface GpuBench {
  /** Markdown, or one line that says why there is none. */
  table: string;
  /** As the program writes it; `null` without a usable GPU. */
  report: unknown;
}

/** `library`: `libcuda.so.1`, or a path. Rejects when the program ends otherwise than it may. */
export async function benchGpu(library: string): Promise<GpuBench> {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-kv-gpu-'));
  try {
    const { status, complaint } = await run(['--library', library, '--rounds', rounds, '--out', directory]);
    if (status === noGpu) return { table: `No GPU table: ${complaint}\n`, report: null };
    // A simulated driver's files say so in their names, and hold no times.
    const base = ['kv-gpu', 'kv-gpu-simulated'].map((name) => join(directory, name)).find(hasTable);
    if ((status !== 0 && status !== partFailed) || base === undefined)
      throw new InfernodeError('internal', `infernode-kv-gpu-check ended with ${status}: ${complaint}`);
    return {
      table: readFileSync(`${base}.md`, 'utf8'),
      report: JSON.parse(readFileSync(`${base}.json`, 'utf8')) as unknown,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const hasTable = (base: string): boolean => existsSync(`${base}.md`);

function run(args: readonly string[]): Promise<{ status: number | null; complaint: string }> {
  const child = spawn(nativePath('infernode-kv-gpu-check'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => (complaint = (complaint + text).slice(0, 4096)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) =>
      resolve({ status, complaint: complaint.trim().replace(/^infernode-kv-gpu-check: /, '') }),
    );
  });
}
