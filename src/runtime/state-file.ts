/**
 * JSON documents on disk that are either whole or absent (design decision 14): written to a temporary file, fsynced, renamed
 * over the old one. Each carries its schema version and the boot id under which it was written. What is truncated,
 * foreign or of another schema is set aside under `<name>.bad`, for a person to look at, and the reader starts cold.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface StateDocument<T> {
  schema: number;
  bootId: string;
  data: T;
}

export type StateFileRead<T> =
  | { kind: 'found'; document: StateDocument<T> }
  | { kind: 'absent' }
  /** Could not be used; `setAsideAs` is where it lies now, or `null` when not even that worked. */
  | { kind: 'bad'; reason: string; setAsideAs: string | null };

/** `isData` looks at the shape of `data`; a document that it refuses is bad. */
export function readStateFile<T>(
  path: string,
  schema: number,
  isData: (data: unknown) => data is T,
): StateFileRead<T> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'absent' };
    return { kind: 'bad', reason: String(error), setAsideAs: null };
  }
  const reason = whyBad(text, schema, isData);
  if (reason === null) return { kind: 'found', document: JSON.parse(text) as StateDocument<T> };
  return { kind: 'bad', reason, setAsideAs: setAside(path) };
}

/** Throws the file system's error; the old document stays whole then. */
export function writeStateFile<T>(path: string, document: StateDocument<T>): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(file, `${JSON.stringify(document)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(directory);
}

/** The same without holding up the event loop: an fsync on a busy disk takes long. Calls for one path must not overlap. */
export async function saveStateFile<T>(path: string, document: StateDocument<T>): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(document)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function whyBad(text: string, schema: number, isData: (data: unknown) => boolean): string | null {
  let document: Partial<StateDocument<unknown>>;
  try {
    document = JSON.parse(text) as Partial<StateDocument<unknown>>;
  } catch (error) {
    return `expected a JSON document: ${String(error)}`;
  }
  if (typeof document !== 'object' || document === null) return 'expected a JSON object';
  if (document.schema !== schema) return `expected schema ${schema}, got ${String(document.schema)}`;
  if (typeof document.bootId !== 'string' || !isData(document.data)) return 'expected other members';
  return null;
}

function setAside(path: string): string | null {
  const aside = `${path}.bad`;
  try {
    renameSync(path, aside);
    return aside;
  } catch {
    return null;
  }
}

/** The rename itself is durable only when the directory is. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
