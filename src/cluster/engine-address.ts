/**
 * Whether an engine's URL means the same here as on its node. A loopback URL of another machine would lead to whatever
 * listens on that port here: another engine, or no engine at all.
 */
import { hostname, networkInterfaces } from 'node:os';
import { isLoopback, parseListenAddress } from '../config/listen-address.js';

/** True when the agent at `HOST:PORT` runs on this machine; a name that cannot be told counts as another one. */
export function isThisMachine(agentAddress: string): boolean {
  const host = parseListenAddress(agentAddress)?.host ?? '';
  return isLoopback(host) || host === hostname() || ownAddresses().includes(host);
}

/** Asked over a netlink socket, which a sandbox may forbid: then only loopback and the host's name are known to be ours. */
function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  } catch {
    return [];
  }
}

/** Why requests cannot be sent to the URL from here; `null` when they can. */
export function whyUnusable(url: string, sameMachine: boolean): string | null {
  if (!URL.canParse(url)) return `its URL "${url.slice(0, 200)}" is not one`;
  const { protocol, hostname: host } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return `its URL ${url} is not http`;
  if (sameMachine || !isLoopback(host.replace(/^\[|\]$/g, ''))) return null;
  return `its URL ${url} leads nowhere from another machine; let it listen on the node's address`;
}
