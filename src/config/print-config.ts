import { formatAddress, type ListenAddress } from './listen-address.js';
import { configSources, isMapping, type ConfigLayers, type ConfigSource } from './load-config.js';
import { masked } from '../domain/mask-text.js';
import { isSecret, maskArguments } from './secret-values.js';

export interface EffectiveValue {
  path: string;
  value: unknown;
  source: ConfigSource;
}

/** Every leaf of the effective configuration with its source; secrets are masked. */
export function effectiveValues(config: unknown, layers: ConfigLayers): EffectiveValue[] {
  const values: EffectiveValue[] = [];
  const visit = (value: unknown, path: string[]): void => {
    if (isListenAddress(value)) value = formatAddress(value);
    if (isMapping(value) && Object.keys(value).length > 0) {
      for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
    } else if (Array.isArray(value) && value.some(isMapping)) {
      value.forEach((child, index) => visit(child, [...path, String(index)]));
    } else {
      const shown = Array.isArray(value) ? maskArguments(value) : value;
      const secret = value !== null && isSecret(path);
      values.push({
        path: path.join('.'),
        value: secret ? masked : shown,
        source: sourceOf(path, layers),
      });
    }
  };
  visit(config, []);
  return values;
}

function sourceOf(path: readonly string[], layers: ConfigLayers): ConfigSource {
  return (
    (['flag', 'environment', 'file'] as const).find((layer) => has(layers[layer], path)) ?? configSources[0]
  );
}

function has(raw: unknown, path: readonly string[]): boolean {
  const [head, ...rest] = path;
  if (head === undefined) return true;
  return (
    typeof raw === 'object' &&
    raw !== null &&
    head in raw &&
    has((raw as Record<string, unknown>)[head], rest)
  );
}

function isListenAddress(value: unknown): value is ListenAddress {
  return (
    isMapping(value) &&
    typeof value['host'] === 'string' &&
    typeof value['port'] === 'number' &&
    Object.keys(value).length === 2
  );
}
