/** Parts of an engine's log. The keeper rotates it by size, so that a reader may find it shorter than what it has read. */
import { open } from 'node:fs/promises';

export interface LogPart {
  text: string;
  /** Where the next part begins. */
  nextOffset: number;
}

/** From the offset on, at most `maxBytes`; a rotated log is read from its start. Empty when it cannot be read. */
export async function readLogFrom(path: string, offset: number, maxBytes: number): Promise<LogPart> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const from = size < offset ? 0 : offset;
      const buffer = Buffer.alloc(Math.min(maxBytes, size - from));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      return { text: buffer.toString('utf8', 0, bytesRead), nextOffset: from + bytesRead };
    } finally {
      await file.close();
    }
  } catch {
    return { text: '', nextOffset: offset };
  }
}

/** Size of the log now, 0 when there is none. */
export async function logSize(path: string): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch {
    return 0;
  }
}
