import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import { explainIssues } from './explain-issues.js';

/** Where a value came from; later in this list wins. */
export const configSources = ['default', 'file', 'environment', 'flag'] as const;
export type ConfigSource = (typeof configSources)[number];

type Raw = Record<string, unknown>;
export type ConfigLayers = Record<'file' | 'environment' | 'flag', Raw>;

export interface LoadConfigOptions {
  /** YAML file; absent means defaults, environment and flags only. */
  file?: string | undefined;
  /** `path.to.key=value` pairs of the command line. */
  set?: readonly string[] | undefined;
  env?: NodeJS.ProcessEnv;
}

export interface LoadedConfig<T> {
  config: T;
  layers: ConfigLayers;
}

/**
 * Reads file, environment and flags, validates the result and freezes it. Throws `config-invalid` whose message names
 * every wrong field with its value and the remedy, one per line.
 */
export function loadConfig<S extends z.ZodType>(
  schema: S,
  { file, set = [], env = process.env }: LoadConfigOptions,
): LoadedConfig<z.infer<S>> {
  const layers: ConfigLayers = {
    file: file === undefined ? {} : readYaml(file),
    environment: readEnvironment(schema, env),
    flag: readFlags(set),
  };
  const raw = merge(merge(layers.file, layers.environment), layers.flag);
  const result = schema.safeParse(raw);
  if (!result.success)
    throw new InfernodeError(
      'config-invalid',
      explainIssues(result.error.issues, raw, file ?? 'configuration'),
    );
  return { config: deepFreeze(result.data), layers };
}

function readYaml(file: string): Raw {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InfernodeError(
      'config-invalid',
      `${file}: cannot read the configuration file (${messageOf(error)}); check --config`,
      { cause: error },
    );
  }
  try {
    const raw: unknown = parse(text);
    if (isMapping(raw)) return raw;
  } catch (error) {
    const where = error instanceof YAMLParseError && error.linePos ? ` at line ${error.linePos[0].line}` : '';
    throw new InfernodeError(
      'config-invalid',
      `${file}: not valid YAML${where}: ${messageOf(error).split('\n')[0]}`,
      { cause: error },
    );
  }
  // Nothing in it is a mistake too: a file that is being written begins empty, and a reload of it would take everything away.
  throw new InfernodeError(
    'config-invalid',
    `${file}: expected a YAML mapping at the top, such as "node: { name: gpu-a }"; for the defaults leave --config out`,
  );
}

/** `INFERNODE_LISTEN__CONTROL` sets `listen.control`: two underscores separate levels, one separates words. */
function readEnvironment(schema: z.ZodType, env: NodeJS.ProcessEnv): Raw {
  const known = new Set(Object.keys((schema as Partial<z.ZodObject>).shape ?? {}));
  const raw: Raw = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('INFERNODE_') || value === undefined) continue;
    const path = variablePath(name);
    if (known.has(path[0] ?? '')) assign(raw, path, parseScalar(value));
  }
  return raw;
}

/** `INFERNODE_GATEWAY__MAX_X` -> `['gateway', 'maxX']`. */
export const variablePath = (name: string): string[] =>
  name.slice('INFERNODE_'.length).split('__').map(toCamelCase);

function readFlags(pairs: readonly string[]): Raw {
  const raw: Raw = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1)
      throw new InfernodeError(
        'config-invalid',
        `--set ${pair}: expected KEY=VALUE, such as --set listen.control=127.0.0.1:0`,
      );
    assign(raw, pair.slice(0, at).split('.'), parseScalar(pair.slice(at + 1)));
  }
  return raw;
}

const toCamelCase = (word: string): string =>
  word.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Numbers, booleans and `[lists]` as YAML has them; anything else, `host:port` too, stays text. */
function parseScalar(text: string): unknown {
  try {
    const value: unknown = parse(text);
    return typeof value === 'object' && !Array.isArray(value) ? text : value;
  } catch {
    return text;
  }
}

function assign(target: Raw, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (head === '__proto__') return;
  if (rest.length === 0) target[head] = value;
  else assign((target[head] = isMapping(target[head]) ? target[head] : {}), rest, value);
}

function merge(base: Raw, over: Raw): Raw {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMapping(below) && isMapping(value) ? merge(below, value) : value;
  }
  return merged;
}

export function isMapping(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
