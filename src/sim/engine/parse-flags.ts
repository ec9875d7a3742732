import type { Flag } from './flag-table.js';
import { isPresent } from './vllm-version.js';

export type FlagValue = string | number | boolean | string[];

export interface ParsedFlags {
  positional: string[];
  /** By attribute: `max-num-seqs`. Only what was given. */
  values: Map<string, FlagValue>;
}

/** What argparse would print behind `error:`. The process ends with exit code 2. */
export class UsageError extends Error {}

const multipliers: Record<string, number> = {
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
};

/** Parses as vLLM's argument parser does; flags that this release lacks are unknown. */
export function parseFlags(argv: readonly string[], flags: readonly Flag[], version: string): ParsedFlags {
  const byName = new Map(
    flags
      .filter((one) => isPresent(version, one))
      .flatMap((one) => one.names.map((name) => [name, one] as const)),
  );
  const result: ParsedFlags = { positional: [], values: new Map() };
  const unknown: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!word.startsWith('-') || word === '-') {
      result.positional.push(word);
      continue;
    }
    const { name, inline } = splitWord(word);
    const found = findFlag(byName, name);
    if (!found) {
      unknown.push(word);
      while (inline === undefined && i + 1 < argv.length && !argv[i + 1]!.startsWith('-'))
        unknown.push(argv[++i]!);
      continue;
    }
    i += store(result, found, name, inline, argv.slice(i + 1));
  }
  if (unknown.length > 0) throw new UsageError(`unrecognized arguments: ${unknown.join(' ')}`);
  return result;
}

interface Found {
  flag: Flag;
  value?: boolean;
  dotted?: string;
}

/** Underscores in names count as dashes; `--no-x` turns a boolean off; `--json-flag.key` sets one key. */
function findFlag(byName: ReadonlyMap<string, Flag>, name: string): Found | null {
  const flag = byName.get(name);
  if (flag) return flag.kind === 'bool' ? { flag, value: true } : { flag };
  if (name.startsWith('--no-')) {
    const positive = byName.get(`--${name.slice(5)}`);
    if (positive?.kind === 'bool') return { flag: positive, value: false };
  }
  const dot = name.indexOf('.');
  const owner = dot > 0 ? byName.get(name.slice(0, dot)) : undefined;
  if (owner?.kind === 'json') return { flag: owner, dotted: name.slice(dot + 1) };
  return /^-O[0-3]?$/.test(name) && byName.has('-O') ? { flag: byName.get('-O')!, dotted: 'level' } : null;
}

function splitWord(word: string): { name: string; inline: string | undefined } {
  const equals = word.indexOf('=');
  const raw = equals < 0 ? word : word.slice(0, equals);
  const dot = raw.indexOf('.');
  const head = (dot < 0 ? raw : raw.slice(0, dot)).replace(/_/g, '-');
  return {
    name: head + (dot < 0 ? '' : raw.slice(dot)),
    inline: equals < 0 ? undefined : word.slice(equals + 1),
  };
}

/** Stores one flag; returns how many of the following words it took. */
function store(
  result: ParsedFlags,
  found: Found,
  name: string,
  inline: string | undefined,
  rest: readonly string[],
): number {
  const { flag } = found;
  const key = flag.names[0]!.replace(/^-+/, '');
  if (found.value !== undefined) {
    if (inline !== undefined)
      throw new UsageError(`argument ${flag.names.join('/')}: ignored explicit argument '${inline}'`);
    result.values.set(key, found.value);
    return 0;
  }
  if (/^-O[0-3]$/.test(name)) {
    result.values.set('optimization-level', Number(name[2]));
    return 0;
  }
  const words = inline !== undefined ? [inline] : takeWords(flag, rest);
  if (words.length === 0)
    throw new UsageError(
      `argument ${flag.names.join('/')}: expected ${flag.kind === 'list' ? 'at least ' : ''}one argument`,
    );
  const value = found.dotted ? `{"${found.dotted}": ${words[0]}}` : convert(flag, words);
  result.values.set(key, value);
  return inline !== undefined ? 0 : words.length;
}

function takeWords(flag: Flag, rest: readonly string[]): string[] {
  const end = rest.findIndex((word) => /^-(?!\d|$)/.test(word));
  const words = end < 0 ? rest : rest.slice(0, end);
  return flag.kind === 'list' ? [...words] : words.slice(0, 1);
}

function convert(flag: Flag, words: string[]): FlagValue {
  const text = words[0]!;
  const where = `argument ${flag.names.join('/')}`;
  if (flag.choices && !flag.choices.includes(text))
    throw new UsageError(
      `${where}: invalid choice: '${text}' (choose from ${flag.choices.map((c) => `'${c}'`).join(', ')})`,
    );
  switch (flag.kind) {
    case 'list':
      return words;
    case 'int':
      return humanInteger(text) ?? fail(`${where}: invalid int value: '${text}'`);
    case 'float':
      return text.trim() !== '' && Number.isFinite(Number(text))
        ? Number(text)
        : fail(`${where}: invalid float value: '${text}'`);
    case 'json':
      return isJson(text) ? text : fail(`${where}: Value ${text} cannot be converted to <function loads>.`);
    default:
      return text;
  }
}

function fail(message: string): never {
  throw new UsageError(message);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** `8192`, `8k` (8,000), `8K` (8,192), `1.5m`, `auto` (-1); null for anything else. */
export function humanInteger(text: string): number | null {
  if (text === 'auto') return -1;
  const match = /^(-?\d+(?:\.\d+)?)([kKmMgGtT])?$/.exec(text);
  if (!match) return null;
  const value = Number(match[1]) * (match[2] ? multipliers[match[2]]! : 1);
  return Number.isInteger(value) || match[2] ? Math.round(value) : null;
}
