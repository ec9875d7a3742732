/**
 * Every metric follows the naming rule, and each folder's README lists its metrics: all of them and no others. Metrics are
 * found by making them: each exported class `...Metrics` of a `<folder>-metrics.ts` is constructed with a registry.
 */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createMetricsRegistry } from '../../src/metrics/metrics-registry.js';
import { readText, sourceFiles } from '../support/source-tree.js';

interface Metric {
  name: string;
  help: string;
  type: string;
}
type MetricsClass = new (registry: Registry, node: string) => unknown;

/** The simulator speaks in vLLM's names. */
const files = sourceFiles().filter((file) => file.endsWith('-metrics.ts') && !file.startsWith('sim/'));
const folders = new Set(
  sourceFiles()
    .filter((file) => file.includes('/'))
    .map((file) => file.split('/')[0] ?? ''),
);
/** Second words of names that are no folder: where the data comes from. */
const dataSources = ['build', 'nvml', 'kmsg'];
const otherUnits =
  /_(?:ms|millis|milliseconds|us|micros|minutes|hours|kb|mb|gb|kib|mib|gib|percent|pct)(?:_total)?$/;

function metricsIn(registry: Registry): Metric[] {
  return (registry.getMetricsAsArray() as unknown as Metric[]).map(({ name, help, type }) => ({
    name,
    help,
    type,
  }));
}

async function declaredIn(file: string): Promise<Metric[]> {
  const exported = (await import(`../../src/${file.replace(/\.ts$/, '.js')}`)) as Record<string, unknown>;
  const registry = new Registry();
  for (const [name, value] of Object.entries(exported))
    if (typeof value === 'function' && name.endsWith('Metrics'))
      new (value as MetricsClass)(registry, 'gpu-a');
  return metricsIn(registry);
}

function listedIn(readme: string): Set<string> {
  const rows = readText(readme)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return new Set(rows.flatMap((row) => row.match(/\binfernode_[a-z0-9_]+/g) ?? []));
}

function complaints({ name, help, type }: Metric): string[] {
  const second = name.split('_')[1] ?? '';
  const rules: [boolean, string][] = [
    [/^infernode_[a-z0-9]+(?:_[a-z0-9]+)+$/.test(name), 'expected infernode_<folder>_<what>_<unit>[_total]'],
    [
      folders.has(second) || dataSources.includes(second),
      `"${second}" is neither a folder of src nor a data source`,
    ],
    [(type === 'counter') === name.endsWith('_total'), 'counters, and they only, end in _total'],
    [!otherUnits.test(name), 'expected a base unit: seconds, bytes, ratio'],
    [help.trim() !== '', 'expected a help text'],
  ];
  return rules.filter(([holds]) => !holds).map(([, complaint]) => `${name}: ${complaint}`);
}

it.each(files)('%s declares metrics by the rule', async (file) => {
  const metrics = await declaredIn(file);
  expect(
    metrics.length,
    `export a class ...Metrics whose constructor takes (registry[, node]) from src/${file}`,
  ).toBeGreaterThan(0);
  expect(metrics.flatMap(complaints)).toEqual([]);
});

describe.each([...new Set(files.map((file) => file.split('/')[0] ?? ''))])('%s/README.md', (folder) => {
  const readme = `src/${folder}/README.md`;
  const declared = async () =>
    (await Promise.all(files.filter((file) => file.startsWith(`${folder}/`)).map(declaredIn)))
      .flat()
      .map(({ name }) => name);

  it('lists every metric of the folder', async () => {
    const listed = listedIn(readme);
    const missing = (await declared()).filter((name) => !listed.has(name));
    expect(missing, `add a row for each to a table of ${readme}`).toEqual([]);
  });

  it('lists no other metric', async () => {
    const names = await declared();
    const unknown = [...listedIn(readme)].filter((name) => !names.includes(name));
    expect(unknown, `take these rows out of ${readme}, or declare the metrics`).toEqual([]);
  });
});

it('names are unique over all folders', async () => {
  const names = (await Promise.all(files.map(declaredIn))).flat().map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

it('the registry of a process adds its build information and prom-client series only', () => {
  const own = metricsIn(createMetricsRegistry('agent', '1')).filter(
    ({ name }) => !/^(?:process|nodejs)_/.test(name),
  );
  expect(own.map(({ name }) => name)).toEqual(['infernode_build_info']);
  expect([...listedIn('src/metrics/README.md')]).toEqual(['infernode_build_info']);
});
