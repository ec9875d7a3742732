/**
 * Checks Kubernetes objects against the published schemas, unknown members included: each object becomes a literal of the type that
 * npm's kubernetes-models generate from the API's own OpenAPI documents, and the TypeScript compiler does the rest.
 */
import { join } from 'node:path';
import ts from 'typescript';
import { repositoryRoot } from './source-tree.js';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** Packages by API group, where it is not Kubernetes' own. */
const packages: Record<string, string> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator/monitoring.coreos.com',
  'keda.sh': '@kubernetes-models/keda/keda.sh',
};

function moduleOf(apiVersion: string): string {
  const [group = '', version] = apiVersion.split('/');
  if (version === undefined) return `kubernetes-models/${apiVersion}`;
  return packages[group] ? `${packages[group]}/${version}` : `kubernetes-models/${apiVersion}`;
}

/** What is wrong, in the compiler's words, with the object named; empty when nothing is. */
export function checkManifests(manifests: readonly Manifest[]): string[] {
  const file = join(repositoryRoot, 'manifests.virtual.ts');
  const lines = manifests.flatMap((manifest, i) => {
    const { apiVersion, kind } = manifest;
    return [
      `import type { I${kind} as T${i} } from '${moduleOf(apiVersion)}';`,
      `export const o${i}: T${i} = ${JSON.stringify(manifest)};`,
    ];
  });
  const source = ts.createSourceFile(file, lines.join('\n'), ts.ScriptTarget.ES2022, true);
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    ignoreDeprecations: '5.0',
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    getSourceFile: (name, ...rest) => (name === file ? source : disk.getSourceFile(name, ...rest)),
    fileExists: (name) => name === file || disk.fileExists(name),
  };
  const program = ts.createProgram([file], options, host);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    (diagnostic) => {
      const line = source.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line;
      const manifest = manifests[Math.floor(line / 2)];
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n').split('\n');
      return `${manifest?.kind} ${manifest?.metadata.name}: ${text.at(-1)?.trim()}`;
    },
  );
}
