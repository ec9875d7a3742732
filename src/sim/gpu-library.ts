/**
 * The simulator's library file as data. It carries the list of its functions with the NVML version that brought each, as
 * text, so that this list has one home (native/nvml_sim/functions.inc) and is read without loading the library.
 */
import { readFileSync } from 'node:fs';

export interface LibraryFunction {
  name: string;
  /** NVML API version in thousands: 13.1 is 13010. */
  since: number;
}

const tableStart = 'INFERNODE-NVML-SIM-FUNCTIONS 1\n';
const tableEnd = '\nEND\n';

/** NVML API version of a driver branch, as native/nvml_sim/gpu_profiles.cc has it. */
const apiVersions: readonly (readonly [branch: number, apiVersion: number])[] = [
  [470, 11040],
  [510, 11060],
  [520, 11080],
  [525, 12000],
  [535, 12020],
  [545, 12030],
  [550, 12040],
  [555, 12050],
  [560, 12060],
  [570, 12080],
  [575, 12090],
  [580, 13000],
  [590, 13010],
  [595, 13020],
  [600, 13030],
];

export function apiVersionOf(branch: number): number {
  return apiVersions.reduce((found, [known, version]) => (known <= branch ? version : found), 11040);
}

/** Empty when the file is not the simulator. */
export function libraryFunctions(library: Buffer): LibraryFunction[] {
  const start = library.indexOf(tableStart);
  const end = start < 0 ? -1 : library.indexOf(tableEnd, start);
  if (end < 0) return [];
  const lines = library
    .subarray(start + tableStart.length, end)
    .toString('latin1')
    .split('\n');
  return lines.map((line) => {
    const [name = '', since] = line.split(' ');
    return { name, since: Number(since) };
  });
}

export function readLibraryFunctions(path: string): LibraryFunction[] {
  try {
    return libraryFunctions(readFileSync(path));
  } catch {
    return [];
  }
}

/**
 * A copy in which dlsym does not find the functions that a driver of this branch has not got. Only their names in the
 * dynamic string table change (`nvml...` to `xvml...`): the code stays, nothing moves, and a search for the real name ends
 * without a match, as in an old library.
 */
export function withoutSymbolsNewerThan(library: Buffer, branch: number): Buffer {
  const copy = Buffer.from(library);
  const version = apiVersionOf(branch);
  for (const { name, since } of libraryFunctions(copy)) if (since > version) hideSymbol(copy, name);
  return copy;
}

/** The name as a whole string of a string table: a zero on both sides. It stands in `.dynstr` and, unstripped, in `.strtab`. */
function hideSymbol(library: Buffer, name: string): void {
  const entry = Buffer.from(`\0${name}\0`, 'latin1');
  for (let at = library.indexOf(entry); at >= 0; at = library.indexOf(entry, at + 1))
    library.write('x', at + 1, 'latin1');
}
