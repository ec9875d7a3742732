import { spawn } from 'node:child_process';
import { nativePath, type NativeFile } from '../native/native-paths.js';

export interface NativeEnd {
  /** `null` when a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  /** The beginning of what it said on standard error. */
  complaint: string;
}

const maxComplaint = 4096;

/** One of our own programs to its end, whatever that is. Rejects when it cannot be started. */
export function runNative(
  file: NativeFile,
  args: readonly string[],
  { input = '', env = process.env }: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<NativeEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(nativePath(file), args, { stdio: 'pipe', env });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (complaint = (complaint + text).slice(0, maxComplaint)));
    // A child that gives up early closes its input; its exit says why.
    child.stdin.on('error', () => undefined);
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, output, complaint: complaint.trim() }));
    child.stdin.end(input);
  });
}
