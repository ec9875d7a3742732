/**
 * Every Kustomize overlay as `kubectl kustomize` renders it: each object against the published schemas, unknown members included; the
 * configurations inside against our own schema; and the promises that the manifests make.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { agentSchema } from '../../src/config/agent-config.js';
import { coordinatorSchema } from '../../src/config/coordinator-config.js';
import { checkManifests, type Manifest } from '../support/check-manifests.js';
import { repositoryRoot } from '../support/source-tree.js';

const root = join(repositoryRoot, 'deploy/kubernetes');
const overlays = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter(({ name }) => name === 'kustomization.yaml')
  .map(({ parentPath }) => parentPath.slice(root.length + 1))
  .sort();

const rendered = new Map<string, Manifest[]>();
function render(overlay: string): Manifest[] {
  const known = rendered.get(overlay);
  if (known) return known;
  const text = execFileSync('kubectl', ['kustomize', join(root, overlay)], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
  const objects = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  rendered.set(overlay, objects);
  return objects;
}

interface Workload extends Manifest {
  spec: {
    updateStrategy?: { type: string; rollingUpdate?: object };
    template: {
      spec: {
        hostPID?: boolean;
        containers: {
          resources: { limits?: Record<string, string> };
          securityContext: Record<string, unknown>;
          ports: { name: string; containerPort: number }[];
          [probe: string]: unknown;
        }[];
        volumes: { name: string; configMap?: { name: string } }[];
      };
    };
  };
}
const workload = (overlay: string, kind: string) =>
  render(overlay).find((object) => object.kind === kind) as Workload;

it('finds the overlays', () => {
  expect(overlays).toEqual(expect.arrayContaining(['agent-watch', 'agent-supervise', 'coordinator']));
});

describe.each(overlays)('%s', (overlay) => {
  it('is rendered, and every object fits its schema', () => {
    const objects = render(overlay);
    expect(objects.length).toBeGreaterThan(0);
    expect(checkManifests(objects)).toEqual([]);
  });

  it('every ConfigMap that is mounted exists, and holds a configuration that its process takes', () => {
    const objects = render(overlay);
    const maps = objects.filter(({ kind }) => kind === 'ConfigMap') as (Manifest & {
      data: Record<string, string>;
    })[];
    for (const { data } of maps)
      for (const [file, text] of Object.entries(data))
        if (file === 'agent.yaml') agentSchema.parse(parse(text));
        else if (file === 'coordinator.yaml') coordinatorSchema.parse(parse(text));
    const used = (objects.filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment') as Workload[])
      .flatMap(({ spec }) => spec.template.spec.volumes ?? [])
      .flatMap(({ configMap }) => configMap?.name ?? []);
    // `agent` alone is a part, without its configuration.
    if (overlay !== 'agent')
      expect(maps.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(used));
  });
});

describe('what scales and what is scraped', () => {
  it('the PrometheusRule is made from the rules that promtool tests', async () => {
    const { renderPrometheusRule } = (await import(
      join(repositoryRoot, 'scripts/generate-prometheus-rule.mjs')
    )) as { renderPrometheusRule: () => string };
    expect(
      readFileSync(join(root, 'monitoring/prometheus-rule.yaml'), 'utf8'),
      'run node scripts/generate-prometheus-rule.mjs',
    ).toBe(renderPrometheusRule());
  });

  it('KEDA may reach the port that its trigger names, and a scrape that fails is no 0', () => {
    const scaled = (overlay: string) =>
      render(overlay).find(({ kind }) => kind === 'ScaledObject') as Manifest & {
        spec: { triggers: { metadata: Record<string, string> }[] };
      };
    const [service, policy] = ['Service', 'NetworkPolicy'].map((kind) =>
      render('coordinator').find(
        (object) => object.kind === kind && object.metadata.name === 'infernode-coordinator',
      ),
    );
    const [{ metadata } = { metadata: {} as Record<string, string> }] = scaled('keda').spec.triggers;
    const control = { name: 'control', port: 9480, targetPort: 'control' };
    expect(service).toMatchObject({ spec: { ports: expect.arrayContaining([control]) as unknown } });
    expect(metadata['scalerAddress']).toBe('infernode-coordinator.infernode.svc:9480');
    expect(JSON.stringify(policy)).toMatch(/"kubernetes.io\/metadata.name":"keda"/);
    expect(scaled('keda-prometheus').spec.triggers[0]?.metadata).toMatchObject({
      ignoreNullValues: 'false',
      threshold: '1',
    });
  });

  it('the name that the HPA asks for is the one that the adapter makes', () => {
    const objects = render('hpa');
    const adapter = objects.find(({ kind }) => kind === 'ConfigMap') as Manifest & {
      data: Record<string, string>;
    };
    const { externalRules } = parse(adapter.data['config.yaml'] ?? '') as {
      externalRules: { seriesQuery: string; name: { as: string } }[];
    };
    const recorded = readFileSync(join(repositoryRoot, 'deploy/monitoring/recording-rules.yaml'), 'utf8');
    expect(recorded).toContain(`record: ${externalRules[0]?.seriesQuery}`);
    expect(JSON.stringify(objects.find(({ kind }) => kind === 'HorizontalPodAutoscaler'))).toContain(
      `"name":"${externalRules[0]?.name.as}"`,
    );
  });
});

describe('what the manifests promise', () => {
  it('no agent claims a GPU, and its probes ask the port that listens', () => {
    for (const overlay of ['agent-watch', 'agent-supervise']) {
      const [agent] = workload(overlay, 'DaemonSet').spec.template.spec.containers;
      expect(JSON.stringify(agent?.resources)).not.toContain('nvidia.com/gpu');
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
        expect(agent?.[probe]).toMatchObject({ httpGet: { port: 'probe' } });
      expect(agent?.ports).toContainEqual({ name: 'probe', containerPort: 9471 });
    }
  });

  it('watching takes no privilege; supervising replaces no pod by itself', () => {
    const watch = workload('agent-watch', 'DaemonSet').spec;
    expect(watch.template.spec.containers[0]?.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
    });
    expect(watch.template.spec.containers[0]?.securityContext['privileged']).toBeUndefined();
    expect(watch.template.spec.hostPID).toBeUndefined();
    const supervise = workload('agent-supervise', 'DaemonSet').spec;
    expect(supervise.updateStrategy).toEqual({ type: 'OnDelete' });
    expect(supervise.template.spec.hostPID).toBe(true);
  });

  it('reading pods is a role in the namespace that is asked for, and the kubelet’s socket is mounted to read', () => {
    const objects = render('agent-watch-pods');
    const map = objects.find(({ kind }) => kind === 'ConfigMap') as Manifest & {
      data: Record<string, string>;
    };
    const { podResources, enginePods } =
      agentSchema.parse(parse(map.data['agent.yaml'] ?? '')).kubernetes ?? {};
    expect(objects.find(({ kind }) => kind === 'Role')).toMatchObject({
      metadata: { namespace: enginePods?.namespace },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
    });
    const [agent] = workload('agent-watch-pods', 'DaemonSet').spec.template.spec.containers;
    const mountPath = dirname(podResources?.socket ?? '');
    expect(agent?.['volumeMounts']).toContainEqual({ name: 'pod-resources', mountPath, readOnly: true });
  });

  it('an object with a misspelt member, or one missing, is refused', () => {
    const [pod] = [
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { containers: [{ nmae: 'a' }] } },
    ];
    expect(checkManifests([pod as Manifest])).toEqual([expect.stringMatching(/^Pod x: .*nmae/)]);
    expect(existsSync(join(repositoryRoot, 'manifests.virtual.ts'))).toBe(false);
  });
});
