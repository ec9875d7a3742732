/**
 * An agent finds the engines that pods of its node run, by label, and learns their GPUs from the kubelet: they are attached, drained when Kubernetes
 * ends them, and gone with their pods. API server, kubelet and engines are fakes on real HTTP and gRPC; the supervision of engines is the real one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createAgentParts } from '../../src/agent-parts.js';
import { runAgent } from '../../src/agent.js';
import { renderExplanation } from '../../src/cli/explain-command.js';
import { agentSchema } from '../../src/config/agent-config.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { FakeSampler } from '../support/fake-agent-parts.js';
import { FakeKubeApi } from '../support/fake-kube-api.js';
import { FakeKubelet } from '../support/fake-kubelet.js';
import { aNodeSample } from '../support/node-fixtures.js';
import { eventually } from '../support/running-up.js';
import { answerStream, ScriptedEngine } from '../support/scripted-engine.js';

const pods = '/api/v1/namespaces/models/pods';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('attaches them, drains them, and lets them go', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-pods-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  const api = new FakeKubeApi();
  const server = await api.start();
  closers.push(() => api.stop());
  writeFileSync(join(directory, 'token'), api.token);
  const kubelet = await new FakeKubelet().start();
  closers.push(() => kubelet.stop());
  const engine = await ScriptedEngine.start(answerStream);
  closers.push(() => engine.close());
  const { hostname, port } = new URL(engine.url);
  const sample = aNodeSample();
  const uuid = sample.devices[1]!.identity.uuid;
  kubelet.give('models', 'chat-0', [uuid]);

  const pod = (
    name: string,
    change: { nodeName?: string; app?: string; phase?: string; ending?: boolean } = {},
  ) =>
    api.put(pods, {
      metadata: {
        name,
        labels: { app: change.app ?? 'vllm' },
        ...(change.ending ? { deletionTimestamp: '2026-11-28T00:00:00Z' } : {}),
      },
      spec: { nodeName: change.nodeName ?? 'gpu-a' },
      status: { phase: change.phase ?? 'Running', podIP: hostname },
    });
  pod('elsewhere', { nodeName: 'gpu-b' });
  pod('other', { app: 'web' });
  pod('soon', { phase: 'Pending' });
  pod('configured');
  pod('chat-0');

  const sampler = new FakeSampler(sample);
  const agent = await runAgent(
    agentSchema.parse({
      node: { name: 'gpu-a', machineId: 'm' },
      stateDir: join(directory, 'state'),
      listen: { control: '127.0.0.1:0', probe: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      // Another server under the name of a pod: the configuration has it.
      engines: [{ id: 'configured', origin: 'attached', url: 'http://127.0.0.1:9' }],
      kubernetes: {
        ...{ server, tokenFile: join(directory, 'token') },
        podResources: { socket: kubelet.socket },
        enginePods: { namespace: 'models', labelSelector: 'app=vllm', port: Number(port) },
      },
    }),
    {
      ...{ clock: systemClock, logger: silentLogger(), version: '1.2.3' },
      parts: {
        createSampler: () => sampler,
        createFleet: (options) => createAgentParts().createFleet(options),
      },
    },
  );
  closers.push(() => agent.close());
  const client = new NodeServiceClient({ address: agent.addresses.control });
  closers.push(() => client.close());
  const engines = async () => {
    const all = await client.listEngines();
    return Object.fromEntries(
      all.map(({ id, state, deviceUuids }) => [id, `${state} ${deviceUuids.join()}`]),
    );
  };

  await eventually(
    'the engine is ready, with its GPU',
    async () => (await engines())['chat-0'] === `ready ${uuid}`,
  );
  expect(Object.keys(await engines()).sort()).toEqual(['chat-0', 'configured']);
  expect((await client.listEngines()).find(({ id }) => id === 'configured')?.url).toBe('http://127.0.0.1:9');
  const explanation = await client.explainDevice(uuid);
  expect(explanation.pods).toEqual(['models/chat-0 (vllm)']);
  expect(renderExplanation(explanation)).toContain('given by Kubernetes to models/chat-0 (vllm)');

  pod('chat-0', { ending: true });
  await eventually('no new work', async () => (await engines())['chat-0']?.startsWith('draining'));
  api.remove(pods, 'chat-0');
  await eventually('it is gone', async () => !('chat-0' in (await engines())));
  pod('soon');
  await eventually('the next one is there', async () => (await engines())['soon'] === 'ready ');
  // What was found stays while the API server is away.
  api.failing = 503;
  api.endWatches('cut');
  await eventually('the watch fails', async () => {
    const page = await (await fetch(`http://${agent.addresses.metrics}/metrics`)).text();
    return page.includes('infernode_kubernetes_failures_total{what="pods"}');
  });
  expect((await engines())['soon']).toBe('ready ');
});
