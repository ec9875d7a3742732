/** Which engine URLs lead from here to the engine, also where the sandbox does not let us ask for our own addresses. */
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { isThisMachine, whyUnusable } from '../../../src/cluster/engine-address.js';

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

it('a loopback URL is good on this machine only, and says what to do', () => {
  expect(whyUnusable('http://127.0.0.1:8000', true)).toBeNull();
  expect(whyUnusable('http://[::1]:8000', false)).toMatch(/let it listen on the node's address/);
  expect(whyUnusable('http://10.0.0.5:8000', false)).toBeNull();
  expect(whyUnusable('unix:/x', true)).toMatch(/is not http/);
  expect(whyUnusable('', true)).toMatch(/is not one/);
});
