import { maskText } from '../../domain/mask-text.js';
import { messageOf } from '../../domain/error-codes.js';
import type { ArchivedFile } from './tar-archive.js';

/** One thing worth having; it may fail, hang or be too long without costing the others. */
export interface BundlePart {
  /** File name in the archive. */
  name: string;
  read: () => Promise<string> | string;
}

export interface Bundle {
  files: ArchivedFile[];
  /** A line for each part: its size, that its beginning was cut, or why it is not there. */
  contents: string[];
}

/** Of one part, bytes: the end of a log tells what went wrong. Forty parts are 40 MiB before compression, some MiB after. */
const maxPartBytes = 1024 * 1024;
const maxParts = 40;
const partTimeoutMs = 15_000;

/** Reads all parts side by side, cuts each to its end, and takes the secrets out. */
export async function collectBundle(
  parts: readonly BundlePart[],
  secrets: readonly string[],
): Promise<Bundle> {
  const bundle: Bundle = { files: [], contents: [] };
  const taken = parts.slice(0, maxParts);
  const texts = await Promise.allSettled(taken.map((part) => withinTime(part)));
  for (const [index, { name }] of taken.entries()) {
    const result = texts[index];
    if (result?.status !== 'fulfilled') {
      bundle.contents.push(`${name}  absent: ${maskText(messageOf(result?.reason), secrets)}`);
      continue;
    }
    const bytes = Buffer.from(maskText(result.value, secrets));
    const kept = bytes.subarray(Math.max(0, bytes.length - maxPartBytes)).toString();
    const cut = bytes.length > maxPartBytes ? `, the last of ${bytes.length}` : '';
    bundle.files.push({ name, text: kept });
    bundle.contents.push(`${name}  ${Buffer.byteLength(kept)} bytes${cut}`);
  }
  for (const { name } of parts.slice(maxParts))
    bundle.contents.push(`${name}  absent: more than ${maxParts} parts`);
  bundle.files.unshift({ name: 'CONTENTS', text: `${bundle.contents.join('\n')}\n` });
  return bundle;
}

async function withinTime({ read }: BundlePart): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${partTimeoutMs / 1000} s`)), partTimeoutMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(read), late]);
  } finally {
    clearTimeout(timer);
  }
}
