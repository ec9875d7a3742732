/** Which engine URLs lead from here to the engine and may be called, also where the sandbox does not let us ask for our own addresses. */
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { isThisMachine, judgeUrls } from '../../../src/cluster/engine-address.js';
import { coordinatorSchema } from '../../../src/config/coordinator-config.js';

vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  return { ...os, hostname: () => 'gpu-a', networkInterfaces: vi.fn() };
});
const interfaces = vi.mocked(networkInterfaces);
afterEach(() => interfaces.mockReset());

it('loopback, the host name and the own addresses are this machine', () => {
  interfaces.mockReturnValue({ eth0: [{ address: '10.0.0.5' } as NetworkInterfaceInfo] });
  const hosts = ['127.0.0.1:1', '[::1]:1', 'gpu-a:1', '10.0.0.5:1', '10.0.0.6:1', 'gpu-b:1', 'nonsense'];
  expect(hosts.filter(isThisMachine)).toEqual(hosts.slice(0, 4));
});

it('a sandbox without netlink costs the own addresses, not the process', () => {
  interfaces.mockImplementation(() => {
    throw new Error('uv_interface_addresses returned EAFNOSUPPORT');
  });
  expect([isThisMachine('127.0.0.1:1'), isThisMachine('10.0.0.5:1')]).toEqual([true, false]);
});

it.each([
  ['http://127.0.0.1:8001', '192.0.2.7:9470', /leads nowhere from another machine/],
  ['http://[::1]:8001', '192.0.2.7:9470', /leads nowhere from another machine/],
  ['http://192.0.2.7:8001', '192.0.2.7:9470', null],
  ['http://[2001:db8::7]:8001', '[2001:db8::7]:9470', null],
  ['http://gpu-a.example:8001', 'gpu-a.example:9470', null],
  ['http://127.0.0.1:8001', '127.0.0.1:9470', null],
  // Another host than the agent's: only where the configuration allows it.
  ['http://10.1.2.3:8001', '192.0.2.7:9470', null],
  [
    'http://10.2.0.1:8001',
    '192.0.2.7:9470',
    /neither on the host of its agent \(192\.0\.2\.7\) nor in engineNetworks/,
  ],
  ['http://169.254.169.254/latest', '127.0.0.1:9470', /neither on the host of its agent/],
  ['http://[fd00:1::9]:8001', '192.0.2.7:9470', null],
  ['http://pod-7.engines.example:8001', '192.0.2.7:9470', null],
  ['http://engines.example:8001', '192.0.2.7:9470', /neither on/],
  ['http://evil-engines.example:8001', '192.0.2.7:9470', /neither on/],
  ['http://GPU-B.example:8001', '192.0.2.7:9470', null],
  ['ftp://10.1.0.5', '127.0.0.1:9470', /not http/],
  ['nonsense', '127.0.0.1:9470', /is not one/],
])('the engine URL %s of the agent at %s', (url, agent, expected) => {
  const networks = ['10.1.0.0/16', 'fd00:1::/32', '*.engines.example', 'gpu-b.example'];
  const reason = judgeUrls(agent, networks)(url);
  if (expected === null) expect(reason).toBeNull();
  else expect(reason).toMatch(expected);
});

it.each(['10.0.0.0/33', '10.0.0', '10.0.0.0/', 'fd00::/129', 'a b', '*', '10.0.0.0/8/8', ''])(
  'the network %j is refused',
  (text) => {
    const parsed = coordinatorSchema.safeParse({ engineNetworks: [text] });
    expect(parsed.error?.issues[0]).toMatchObject({ path: ['engineNetworks', 0] });
    expect(parsed.error?.message).toMatch(/expected an address, a network such as 10\.0\.0\.0\/8/);
  },
);

it('every address of this machine is good for an agent on it', () => {
  interfaces.mockReturnValue({ eth0: [{ address: '10.0.0.5' } as NetworkInterfaceInfo] });
  const judge = judgeUrls('127.0.0.1:9470', []);
  expect([judge('http://10.0.0.5:8000'), judge('http://gpu-a:8000')]).toEqual([null, null]);
  expect(judge('http://10.0.0.6:8000')).toMatch(/engineNetworks/);
});
