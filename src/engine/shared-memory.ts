/**
 * Files in /dev/shm that an engine leaves behind when it is killed. Nobody else removes them, and a full /dev/shm makes later
 * starts fail (contract 5.1). Only names that vLLM, NCCL and Python's multiprocessing make, and only files that processes of
 * the run were seen to hold, are ever removed.
 */
import { readdir, readFile, readlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';

export const sharedMemoryDirectory = '/dev/shm';
const engineFile = /^(psm_|nccl-|vllm_|sem\.mp-|torch_)[\w.-]{1,200}$/;
/** A large engine has about 50 processes with some hundred descriptors each. */
const maxPids = 256;
const maxFiles = 4096;

export interface SharedFileLook {
  /**
   * Also files that are mapped and no longer open. Reading maps waits for the memory lock of the process, so not for one that
   * may hang.
   */
  maps: boolean;
}

/** Paths of files in /dev/shm that these processes hold. */
export async function sharedFilesOf(pids: Iterable<number>, { maps }: SharedFileLook): Promise<string[]> {
  const found = new Set<string>();
  for (const pid of [...pids].slice(0, maxPids)) {
    for (const path of await openFiles(pid)) found.add(path);
    if (maps) for (const path of await mappedFiles(pid)) found.add(path);
  }
  return [...found].filter(isEngineFile).slice(0, maxFiles);
}

/** What could not be removed. Files that are gone already are as good as removed. */
export async function removeSharedFiles(paths: Iterable<string>): Promise<string[]> {
  const left: string[] = [];
  for (const path of paths) {
    if (!isEngineFile(path)) continue;
    await unlink(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') left.push(path);
    });
  }
  return left;
}

/** A name that vLLM, NCCL and Python's multiprocessing make. */
export const isEngineFileName = (name: string): boolean => engineFile.test(name);

function isEngineFile(path: string): boolean {
  const prefix = `${sharedMemoryDirectory}/`;
  return path.startsWith(prefix) && isEngineFileName(path.slice(prefix.length));
}

async function openFiles(pid: number): Promise<string[]> {
  const directory = `/proc/${pid}/fd`;
  const names = await readdir(directory).catch(() => []);
  const links = names.map((name) => readlink(join(directory, name)).catch(() => ''));
  return Promise.all(links);
}

async function mappedFiles(pid: number): Promise<string[]> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '');
  return maps
    .split('\n')
    .map((line) => line.slice(line.indexOf('/')))
    .filter((path) => path.startsWith(sharedMemoryDirectory));
}
