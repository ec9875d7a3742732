// A plan for the devices that a node has, as its readings tell them.
import { describe, expect, test } from 'vitest';
import type { PlanWish } from '../../../../src/domain/engine-plan.js';
import { noInputs } from '../../../../src/engine/engine-inputs.js';
import { defaultProbeBytes, planEngine } from '../../../../src/engine/plan/plan-engine.js';
import { planForNode, type NodeToPlanFor } from '../../../../src/engine/plan/plan-for-node.js';
import { aDeviceStatus } from '../../../support/node-fixtures.js';
import { aPlanRequest as request } from '../../../support/plan-request.js';

describe('a plan for the devices of a node', () => {
  const wish = {
    ...{ model: 'llama-3.1-405b', sequences: 0, contextTokens: 0, weightBits: 8, kvCacheDtype: '' },
    engineId: '',
  };
  const gpus = (...names: string[]) =>
    names.map((name, index) => {
      const device = aDeviceStatus(index);
      return { ...device, identity: { ...device.identity, name } };
    });
  const eight = gpus(...Array<string>(8).fill('NVIDIA H100 80GB HBM3'));
  const plan = (over: Partial<NodeToPlanFor> = {}, wished: Partial<PlanWish> = {}) =>
    planForNode(
      {
        devices: eight,
        program: { version: '0.26.0', flags: null, unknown: '' },
        batchSizeCounts: null,
        inputs: noInputs,
        ...over,
      },
      { ...wish, ...wished },
    );

  test('takes the context of the heartbeat off the cache, where it is on', () => {
    const bare = planEngine({ ...request('llama-3.1-405b'), weightBits: 8 });
    expect(plan().kvCacheTokens).toBe(bare.kvCacheTokens);
    expect(plan({ inputs: { ...noInputs, heartbeatBytes: defaultProbeBytes } }).kvCacheTokens).toBe(
      planEngine({ ...request('llama-3.1-405b'), weightBits: 8, probeBytes: defaultProbeBytes })
        .kvCacheTokens,
    );
  });

  test('keeps tensor parallelism within the GPUs that have an active NVLink', () => {
    const four = eight.slice(0, 4).map(({ identity }) => identity.uuid);
    const some = plan({ inputs: { ...noInputs, hasNvlink: (uuid) => four.includes(uuid) } });
    expect(some).toMatchObject({ tensorParallelSize: 4, pipelineParallelSize: 2 });
    expect(some.notes).toContain('tensor parallelism stays within the 4 GPUs that NVLink joins');
  });

  test('asks nothing of links that nobody has read', () => {
    expect(plan().tensorParallelSize).toBe(8);
  });

  test('a bridge joins two cards, however many have one; without bridges everything runs over PCIe', () => {
    const devices = gpus(...Array<string>(8).fill('NVIDIA H100 PCIe'));
    const wished = { model: 'llama-3.1-70b', weightBits: 16 };
    const bridged = plan({ devices, inputs: { ...noInputs, hasNvlink: () => true } }, wished);
    expect(bridged).toMatchObject({ tensorParallelSize: 2, pipelineParallelSize: 2 });
    expect(bridged.notes.join()).toMatch(/stays within the 2 GPUs that NVLink joins/);
    const plain = plan({ devices, inputs: { ...noInputs, hasNvlink: () => false } }, wished);
    expect(plain).toMatchObject({ tensorParallelSize: 4, pipelineParallelSize: 1 });
    expect(plain.notes.join()).toMatch(/no NVLink here: tensor parallelism runs over PCIe/);
  });

  test('takes the largest group of equal, whole GPUs and names the others', () => {
    const h100 = 'NVIDIA H100 80GB HBM3';
    const devices = gpus('NVIDIA L4', h100, h100, h100);
    const isSplit = (uuid: string): boolean => uuid === devices[3]?.identity.uuid;
    const mixed = plan(
      { devices, inputs: { ...noInputs, isSplit } },
      { model: 'llama-3.1-8b', weightBits: 0 },
    );
    expect(mixed.enginesThatFit).toBe(2);
    expect(mixed.notes.at(-1)).toBe(
      `left out, an engine wants equal GPUs: GPU 0 (NVIDIA L4), GPU 3 (${h100}, split by MIG)`,
    );
    expect(() => plan({ devices: gpus('Quadro K600') })).toThrow(
      /no plan for the GPUs of this node \(GPU 0 \(Quadro K600\)\); known, whole ones: .*--gpu-memory/,
    );
  });
});
