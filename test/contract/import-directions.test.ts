/** Imports point towards `domain`, and the two sides meet only in domain, runtime, config and rpc. */
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import ts from 'typescript';
import { readText, sourceFiles } from '../support/source-tree.js';

const base = ['domain', 'runtime', 'config'];

/** What a folder may import besides itself; `roots` are the files directly in `src`. */
const mayImport: Record<string, readonly string[] | 'anything'> = {
  domain: [],
  runtime: ['domain'],
  config: ['domain', 'runtime'],
  rpc: base,
  metrics: base,
  native: base,
  // The kubelet speaks gRPC.
  kubernetes: [...base, 'rpc'],
  // The agent's side. Folders exchange domain types; agent.ts connects them.
  device: [...base, 'native'],
  health: base,
  recovery: base,
  engine: [...base, 'native'],
  kvcache: [...base, 'native'],
  node: [...base, 'rpc'],
  // The coordinator's side.
  placement: ['domain', 'runtime'],
  cluster: [...base, 'rpc', 'placement'],
  gateway: [...base, 'rpc', 'placement', 'cluster'],
  autoscaling: [...base, 'rpc', 'cluster'],
  // Stands in for vLLM and the GPUs: outside, and therefore alone.
  sim: ['domain', 'runtime', 'native'],
  cli: 'anything',
  roots: 'anything',
};

/** Who may import a folder, where not everybody whose row above names it. */
const importedOnlyBy: Record<string, readonly string[]> = { metrics: ['roots'], sim: ['cli', 'roots'] };

interface Import {
  from: string;
  specifier: string;
  /** Path from `src`, or `null` for a package or a file outside. */
  target: string | null;
}

const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] ?? '') : 'roots');

function importsOf(file: string): Import[] {
  const { importedFiles } = ts.preProcessFile(readText(`src/${file}`), true, true);
  return importedFiles.map(({ fileName: specifier }) => {
    const target = specifier.startsWith('.') ? join(dirname(file), specifier) : null;
    return { from: file, specifier, target: target?.startsWith('..') ? null : target };
  });
}

const imports = sourceFiles().flatMap(importsOf);

it('every folder of src has a row in the table', () => {
  const folders = new Set(sourceFiles().map(folderOf));
  const unknown = [...folders].filter((folder) => !(folder in mayImport));
  expect(unknown, 'say in mayImport, at the top of this file, what a new folder may import').toEqual([]);
});

it('imports follow the table', () => {
  const wrong = imports.flatMap(({ from, target }) => {
    if (target === null) return [];
    const [importer, imported] = [folderOf(from), folderOf(target)];
    const allowed = mayImport[importer] ?? [];
    if (importer === imported || allowed === 'anything' || allowed.includes(imported)) return [];
    const may = allowed.length > 0 ? allowed.join(', ') : 'nothing else';
    return [
      `src/${from} imports ${target}: ${importer} may import ${may}. Move what is shared to domain/, ` +
        `or let the composition root (agent.ts, coordinator.ts) hand it in.`,
    ];
  });
  expect(wrong.join('\n')).toBe('');
});

it('metrics/ is imported by composition roots only, sim/ by the command line only', () => {
  const wrong = imports.flatMap(({ from, target }) => {
    const imported = target === null ? '' : folderOf(target);
    const owners = importedOnlyBy[imported];
    if (!owners || folderOf(from) === imported || owners.includes(folderOf(from))) return [];
    return [
      `src/${from} imports ${target}: only ${owners.join(' and ')} may. Declare instruments in ` +
        `<folder>-metrics.ts and take the prom-client Registry as an argument.`,
    ];
  });
  expect(wrong.join('\n')).toBe('');
});

it.each([
  ['systeminformation', (file: string) => file === 'node/host-inventory.ts'],
  ['commander', (file: string) => file.startsWith('cli/')],
])('the package %s stays in its place', (name, isHome) => {
  const wrong = imports.filter(({ from, specifier }) => specifier === name && !isHome(from));
  expect(
    wrong.map(({ from }) => `src/${from}`),
    `${name} has one home; import what that home exports`,
  ).toEqual([]);
});

it('the look for imports sees what it must see', () => {
  expect(imports.length).toBeGreaterThan(300);
  // Static, for types only, and at run time.
  expect(imports).toContainEqual(
    expect.objectContaining({ from: 'coordinator-gateway.ts', target: 'gateway/gateway-server.js' }),
  );
  expect(imports).toContainEqual(
    expect.objectContaining({ from: 'cluster/model-directory.ts', target: 'placement/placement-types.js' }),
  );
  expect(imports).toContainEqual(expect.objectContaining({ from: 'main.ts', target: 'cli/run-cli.js' }));
});
