/** What `infernode status` says of a node: checks without a source, MIG instances, GPUs that are gone. */
import { expect, it } from 'vitest';
import { renderStatus } from '../../../src/cli/status-table.js';
import type { ClusterState } from '../../../src/domain/cluster-state.js';
import type { NodeState } from '../../../src/domain/node-state.js';
import { aNodeState } from '../../support/fake-agent.js';
import { aDeviceStatus } from '../../support/node-fixtures.js';

const lines = (state: Partial<NodeState>): string[] => {
  const node = { address: '', watch: 'watching', reason: '', state: aNodeState(state) };
  return renderStatus({
    nodes: [node],
    endpoints: [],
    models: [],
    foreignChains: [],
  } as unknown as ClusterState).split('\n');
};

it('names what has no source on the node, and counts it once for its devices', () => {
  const shown = lines({
    unsupportedChecks: ['hung_task', 'sxid'],
    devices: [
      aDeviceStatus(0, { unsupportedChecks: ['c2c_link', 'fan_failed'] }),
      aDeviceStatus(1, { unsupportedChecks: ['c2c_link'] }),
      aDeviceStatus(2, { unsupportedChecks: ['c2c_link'] }),
    ],
  });
  expect(shown[1]).toBe('  node  checks unsupported here: hung_task, sxid');
  expect(shown[2]).toBe('  GPUs  1 check unsupported');
  expect(shown[3]).toMatch(/GPU 0 .*healthy .*2 checks unsupported$/);
  expect(shown.slice(4, 6).join('\n')).not.toContain('unsupported');
  expect(lines({ devices: [aDeviceStatus(0)] }).join('\n')).not.toContain('unsupported');
});

it('shows each MIG instance below its device, with a state of its own', () => {
  const instance = (gpuInstance: number) => ({ uuid: `MIG-${gpuInstance}`, gpuInstance, computeInstance: 0 });
  const shown = lines({
    devices: [
      aDeviceStatus(0, {
        instances: [
          { ...instance(1), health: 'degraded', reason: 'Xid 94' },
          { ...instance(2), health: 'healthy', reason: '' },
        ],
      }),
      aDeviceStatus(1),
    ],
  });
  expect(shown.slice(2, 4)).toEqual(['    MIG 1/0  MIG-1  degraded  Xid 94', '    MIG 2/0  MIG-2  healthy']);
  expect(shown[4]).toMatch(/^ {2}GPU 1 /);
});

it('a GPU that the driver lists no more has not the number of the one that moved up', () => {
  const gone = { check: 'gpu_missing', severity: 'fatal', action: 'reboot-node', advice: null } as const;
  const shown = lines({
    devices: [
      aDeviceStatus(0, { health: 'unhealthy', conditions: [{ ...gone, reason: 'gone', sinceMs: 0 }] }),
      aDeviceStatus(0),
    ],
  });
  expect(shown[1]).toMatch(/^ {2}was GPU 0 /);
  expect(shown[2]).toMatch(/^ {2}GPU 0 /);
});
