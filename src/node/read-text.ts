import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of /proc or /sys below `root`; `null` when it cannot be read. */
export async function readText(root: string, path: string): Promise<string | null> {
  try {
    return await readFile(join(root, path), 'utf8');
  } catch {
    return null;
  }
}

/** Names in a directory below `root`, sorted; `null` when it cannot be read. */
export async function readNames(root: string, path: string): Promise<string[] | null> {
  try {
    return (await readdir(join(root, path))).sort();
  } catch {
    return null;
  }
}

export async function exists(root: string, path: string): Promise<boolean> {
  try {
    await access(join(root, path));
    return true;
  } catch {
    return false;
  }
}
