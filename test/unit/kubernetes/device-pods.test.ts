/** Which pod has which GPU, from a kubelet's socket: shares, MIG instances, other resources, and a kubelet that stops answering. */
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describePod, DevicePods } from '../../../src/kubernetes/device-pods.js';
import { KubernetesMetrics } from '../../../src/kubernetes/kubernetes-metrics.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { FakeKubelet } from '../../support/fake-kubelet.js';
import { ManualClock } from '../../support/manual-clock.js';
import { eventually } from '../../support/running-up.js';

let kubelet: FakeKubelet;
let clock: ManualClock;
let registry: Registry;
let changes: number;
let pods: DevicePods | null = null;
beforeEach(async () => {
  kubelet = await new FakeKubelet().start();
  [clock, registry, changes] = [new ManualClock(), new Registry(), 0];
});
afterEach(() => {
  pods?.close();
  kubelet.stop();
});

function watch(socket = kubelet.socket): DevicePods {
  const metrics = new KubernetesMetrics(registry);
  const onChange = (): void => void (changes += 1);
  return (pods = new DevicePods({ socket, clock, logger: silentLogger(), metrics, onChange }));
}
const said = (): Record<string, string[]> =>
  Object.fromEntries([...(pods?.all ?? [])].map(([uuid, all]) => [uuid, all.map(describePod)]));
const failures = async (): Promise<number> => {
  const metric = await registry.getSingleMetric('infernode_kubernetes_failures_total')?.get();
  return metric?.values[0]?.value ?? 0;
};

it('names the pods of devices, of shares and of MIG instances, and nothing else', async () => {
  kubelet.give('models', 'chat-0', ['GPU-a', 'GPU-b']);
  kubelet.give('models', 'small-0', ['GPU-c::0', 'GPU-c::1'], 'nvidia.com/gpu.shared');
  kubelet.give('models', 'small-1', ['GPU-c::2'], 'nvidia.com/gpu.shared');
  kubelet.give('models', 'slice-0', ['MIG-1'], 'nvidia.com/mig-1g.10gb');
  kubelet.give('kube-system', 'network', ['0000:1:2'], 'intel.com/sriov');
  watch();
  await eventually('the first answer', () => changes === 1);
  expect(said()).toEqual({
    'GPU-a': ['models/chat-0 (vllm)'],
    'GPU-b': ['models/chat-0 (vllm)'],
    'GPU-c': ['models/small-0 (vllm)', 'models/small-1 (vllm)'],
    'MIG-1': ['models/slice-0 (vllm)'],
  });
  expect(await registry.metrics()).toContain(
    'infernode_kubernetes_device_pod{device="GPU-a",namespace="models",pod="chat-0",container="vllm"} 1',
  );
  kubelet.podResources = [];
  clock.advance(10_000);
  await eventually('they are gone', () => changes === 2);
  expect(await registry.metrics()).not.toContain('chat-0');
});

it('keeps what it knows while the kubelet is away for a moment, and forgets it after a minute', async () => {
  kubelet.give('models', 'chat-0', ['GPU-a']);
  watch();
  await eventually('the first answer', () => changes === 1);
  kubelet.failing = true;
  for (let failed = 1; failed <= 5; failed += 1) {
    clock.advance(10_000);
    await eventually('a failure', async () => (await failures()) === failed);
    expect(said()).toHaveProperty('GPU-a');
  }
  clock.advance(10_000);
  await eventually('it is forgotten', () => changes === 2);
  expect(said()).toEqual({});
  kubelet.failing = false;
  clock.advance(10_000);
  await eventually('it is known again', () => changes === 3);
});

it('without a socket nothing is known, and the failure is counted', async () => {
  watch('/nonexistent/kubelet.sock');
  await eventually('a failure', async () => (await failures()) === 1);
  expect(said()).toEqual({});
});
