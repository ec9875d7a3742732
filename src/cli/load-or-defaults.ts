import type { z } from 'zod';
import { loadConfig, type ConfigLayers, type LoadConfigOptions } from '../config/load-config.js';
import { messageOf } from '../domain/error-codes.js';

export interface LoadedOrDefaults<T> {
  /** What the process would use; the defaults where the configuration is not valid. */
  config: T;
  /** `null` where it is not valid. */
  layers: ConfigLayers | null;
  /** Why it is not valid; empty otherwise. */
  problem: string;
}

/** For commands that are asked for when something is wrong: a configuration that is not valid is told, and costs nothing else. */
export function loadOrDefaults<S extends z.ZodType>(
  schema: S,
  options: LoadConfigOptions,
): LoadedOrDefaults<z.infer<S>> {
  try {
    return { ...loadConfig(schema, options), problem: '' };
  } catch (error) {
    return { config: schema.parse({}), layers: null, problem: messageOf(error) };
  }
}
