import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** Ours is `[v6]` in URLs. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase();

const hostPattern = /^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i;

/** An address, a network in CIDR form, a host name, or all names below one. */
export const engineNetwork = z
  .string()
  .refine(
    (text) => subnetOf(text) !== null || (hostPattern.test(text) && !/^[\d.]+$/.test(text)),
    'expected an address, a network such as 10.0.0.0/8, a host name, or *.example.com',
  );

interface Subnet {
  address: string;
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

function subnetOf(text: string): Subnet | null {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const prefix = length === undefined ? most : Number(length);
  if (version === 0 || rest.length > 0 || length === '' || !Number.isInteger(prefix)) return null;
  if (prefix < 0 || prefix > most) return null;
  return { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' };
}

/** Whether a host, as it stands in a URL, lies in one of the networks. Names are compared as names; nobody is asked for their address. */
export function hostMatcher(networks: readonly string[]): (host: string) => boolean {
  const blocks = new BlockList();
  const names: string[] = [];
  for (const text of networks) {
    const subnet = subnetOf(text);
    if (subnet) blocks.addSubnet(subnet.address, subnet.prefix, subnet.family);
    else names.push(text.toLowerCase());
  }
  return (asked) => {
    const host = bare(asked);
    const version = isIP(host);
    if (version !== 0) return blocks.check(host, version === 6 ? 'ipv6' : 'ipv4');
    return names.some((name) => (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name));
  };
}
