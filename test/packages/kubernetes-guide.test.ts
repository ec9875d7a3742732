/**
 * docs/install-kubernetes.md, block by block, with a `kubectl` that stops short of a cluster: `apply -k` renders, `create` is a dry run. The certificates
 * that come of it fit every name that a manifest verifies, and the configurations take the files as they are mounted.
 */
import { X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { ApiKeys } from '../../src/gateway/keys/api-keys.js';
import { guideSections } from '../support/guide-blocks.js';
import { mainFile } from '../support/running-up.js';
import { readText, repositoryRoot } from '../support/source-tree.js';

const folder = mkdtempSync(join(tmpdir(), 'infernode-kubernetes-guide-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const certificate = (name: string) => new X509Certificate(readFileSync(join(folder, 'certs', `${name}.crt`)));
const kubernetes = join(repositoryRoot, 'deploy/kubernetes');
let printed = '';

beforeAll(() => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const real = execFileSync('which', ['kubectl'], { encoding: 'utf8' }).trim();
  program(
    'kubectl',
    `case " $* " in
      *" kustomize "*) exec ${real} "$@" ;;
      *" apply -k "*) echo ---; while [ "$1" != -k ]; do shift; done; exec ${real} kustomize "$2" ;;
      *" create "*) echo ---; exec ${real} "$@" --dry-run=client -o yaml ;;
      *) echo "not a command of this guide: $*" >&2; exit 1 ;;
    esac`,
  );
  program('infernode', `exec ${process.execPath} ${mainFile} "$@"`);
  cpSync(join(repositoryRoot, 'deploy'), join(folder, 'deploy'), { recursive: true });
  const script = [...guideSections(readText('docs/install-kubernetes.md')).values()]
    .flat()
    .map((block) => ('type' in block ? `${block.type}\necho ---` : ''))
    .join('\n')
    .concat('\necho "# KEY=$KEY"');
  printed = execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` },
    maxBuffer: 64 * 1024 * 1024,
  });
  function program(name: string, lines: string): void {
    writeFileSync(join(bin, name), `#!/bin/bash\n${lines}\n`);
    chmodSync(join(bin, name), 0o755);
  }
});

it('makes every Secret that a workload mounts or a trigger names, with the keys that it reads', () => {
  const objects = parseAllDocuments(printed.replace(/^infernode.*|^certs\/.*$/gm, '')).map(
    (document) => document.toJS() as { kind?: string; metadata?: { name: string }; data?: object } | null,
  );
  const secrets = new Map(
    objects.flatMap((object) =>
      object?.kind === 'Secret' ? [[object.metadata?.name, Object.keys(object.data ?? {}).sort()]] : [],
    ),
  );
  const text = JSON.stringify(objects);
  for (const [, name = ''] of text.matchAll(/"secretName":"([^"]+)"/g))
    expect([...secrets.keys()]).toContain(name);
  for (const name of ['infernode-agent-tls', 'infernode-coordinator-tls', 'infernode-keda-tls'])
    expect(secrets.get(name), name).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
  expect(secrets.get('infernode-gateway-keys')).toEqual(['keys.yaml']);
});

it('certificates have the names that coordinators, KEDA and clients of the gateway verify', () => {
  const coordinator = coordinatorSchema.parse(
    parse(readFileSync(join(kubernetes, 'coordinator/coordinator.yaml'), 'utf8')),
  );
  const agentName = coordinator.discovery?.endpointSlice.tls?.serverName ?? '';
  expect(certificate('infernode-agent').checkHost(agentName)).toBe(agentName);
  const [, scaler = ''] =
    /scalerAddress: ([\w.-]+):/.exec(readFileSync(join(kubernetes, 'keda/scaled-object.yaml'), 'utf8')) ?? [];
  const gateway = 'infernode-gateway.infernode.svc';
  for (const name of [scaler, gateway])
    expect(certificate('infernode-coordinator').checkHost(name), name).toBe(name);
  expect(readFileSync(join(kubernetes, 'coordinator/service.yaml'), 'utf8')).toContain(
    'name: infernode-gateway',
  );
  expect(certificate('infernode-agent').checkHost('somebody-else')).toBeUndefined();
});

it('the gateway knows the key that was made, by its digest alone', () => {
  const key = /^# KEY=(\w{48})$/m.exec(printed)?.[1] ?? '';
  const file = join(folder, 'keys.yaml');
  expect(ApiKeys.fromFile(file).identify(`Bearer ${key}`)).toMatchObject({ id: 'first', priority: 'high' });
  expect(readFileSync(file, 'utf8')).not.toContain(key);
});
