/** Arguments of `infernode sim gpu` as people type them, each with an error that names what was expected. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { InfernodeError } from '../domain/error-codes.js';
import { readLibraryFunctions } from '../sim/gpu-library.js';
import { scenarioFile, type GpuScenario } from '../sim/gpu-scenario.js';
import { nvmlReturnCodes, parseReturnCode } from '../sim/nvml-return-codes.js';

/** Position of the GPU that a person means. */
export function positionOf(scenario: GpuScenario, text: string): number {
  const devices = scenario.devices;
  const byUuid = devices.flatMap(({ uuid }, i) =>
    uuid.toLowerCase().startsWith(text.toLowerCase()) ? [i] : [],
  );
  const position = /^\d+$/.test(text) ? Number(text) : byUuid.length === 1 ? byUuid[0]! : -1;
  if (position >= 0 && position < devices.length) return position;
  const known = devices.map(({ uuid }, i) => `${i} (${uuid})`).join(', ') || 'none on this node';
  throw invalid(`expected --gpu to be one of ${known}, got "${text}"`);
}

/** Directory of the simulated node that `--scenario` names, by its file or itself. */
export function scenarioDirectory(path: string): string {
  const directory = path.endsWith('.json') ? dirname(path) : path;
  if (existsSync(join(directory, scenarioFile))) return directory;
  throw invalid(`expected --scenario to be a ${scenarioFile} or its directory, got "${path}"`);
}

/** A misspelt function would hang nothing and say nothing. */
export function checkCall(name: string, directory: string): string {
  const known = readLibraryFunctions(join(directory, 'libnvidia-ml.so.1')).map((each) => each.name);
  if (name === '*' || known.length === 0 || known.includes(name)) return name;
  const bare = name
    .replace(/^nvml(Device)?(Get)?/i, '')
    .replace(/_v\d+$/, '')
    .toLowerCase();
  const near = known.filter((each) => bare !== '' && each.toLowerCase().includes(bare)).slice(0, 4);
  const hint =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : 'names are those of nvml.h with their suffix, such as nvmlDeviceGetMemoryInfo_v2';
  throw invalid(`expected an NVML function, got "${name}"; ${hint}`);
}

export function wholeNumber(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected ${what} from ${least} to ${most}.`);
  };
}

/** As many as a part can have: seven, and a hole. */
export function sizesOf(text: string): number[] {
  if (text === 'off') return [];
  const sizes = text.split(',').map(Number);
  if (/^\d{1,3}(,\d{1,3}){0,7}$/.test(text)) return sizes;
  throw new InvalidArgumentError('Expected up to 8 sizes in GiB such as 20,20,40, or off.');
}

export function returnCode(text: string): number {
  const code = parseReturnCode(text);
  if (code !== null) return code;
  throw new InvalidArgumentError(`Expected a number or one of ${Object.keys(nvmlReturnCodes).join(', ')}.`);
}

export function invalid(message: string): InfernodeError {
  return new InfernodeError('argument-invalid', message);
}
