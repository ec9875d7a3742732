import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { isMapping, type ConfigLayers } from '../../config/load-config.js';
import { secretValuesOf } from '../../config/secret-values.js';
import { loadOrDefaults, type LoadedOrDefaults } from '../load-or-defaults.js';

export interface ReadConfiguration<T> extends LoadedOrDefaults<T> {
  /** Values in it, and tokens in the files that it names, that must not be seen. */
  secrets: string[];
}

const noLayers: ConfigLayers = { file: {}, environment: {}, flag: {} };

export function readConfiguration<S extends z.ZodType>(
  schema: S,
  file: string | undefined,
): ReadConfiguration<z.infer<S>> {
  const read = loadOrDefaults(schema, { file });
  // What somebody gave; a default is in every copy of this program, and `infernode` is one of them.
  return { ...read, secrets: secretsOf(read.layers ?? { ...noLayers, file: rawOf(file) }) };
}

function secretsOf(layers: ConfigLayers): string[] {
  return Object.values(layers).flatMap((layer) => [
    ...secretValuesOf(layer),
    ...tokenFilesIn(layer).flatMap(tokensIn),
  ]);
}

function rawOf(file: string | undefined): Record<string, unknown> {
  try {
    const raw: unknown = file === undefined ? {} : parse(readFileSync(file, 'utf8'));
    return isMapping(raw) ? raw : {};
  } catch {
    // Not even YAML: nothing of it is in the bundle but the reason, which names no value.
    return {};
  }
}

function tokenFilesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(tokenFilesIn);
  if (!isMapping(value)) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === 'tokenFile' && typeof child === 'string' ? [child] : tokenFilesIn(child),
  );
}

/** First words of the lines; a file that cannot be read has none that could be in a log. */
export function tokensIn(file: string | undefined): string[] {
  if (file === undefined || !existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter((token) => token.length >= 8);
}
