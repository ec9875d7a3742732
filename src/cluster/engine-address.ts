/**
 * Whether requests may go to the URL that an agent names for an engine. Only to the agent's own host and to what the configuration allows, so that
 * an agent cannot turn the gateway against others; and never to loopback of another machine, which would lead to whatever listens on that port here.
 */
import { hostname, networkInterfaces } from 'node:os';
import { hostMatcher } from '../config/engine-networks.js';
import { isLoopback, parseListenAddress } from '../config/listen-address.js';

/** True when the agent at `HOST:PORT` runs on this machine; a name that cannot be told counts as another one. */
export function isThisMachine(agentAddress: string): boolean {
  return isOwnHost(hostOf(agentAddress));
}

const hostOf = (agentAddress: string): string => parseListenAddress(agentAddress)?.host ?? '';

const isOwnHost = (host: string): boolean =>
  isLoopback(host) || host === hostname() || ownAddresses().includes(host);

/** Asked over a netlink socket, which a sandbox may forbid: then only loopback and the host's name are known to be ours. */
function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  } catch {
    return [];
  }
}

/** Says why requests cannot be sent to a URL, `null` when they can. */
export type UrlJudge = (url: string) => string | null;

/** For the engines of one agent. `networks`: what is allowed beside its own host. */
export function judgeUrls(agentAddress: string, networks: readonly string[]): UrlJudge {
  const agentHost = hostOf(agentAddress).toLowerCase();
  const sameMachine = isThisMachine(agentAddress);
  const isAllowed = hostMatcher(networks);
  return (url) => {
    if (!URL.canParse(url)) return `its URL "${url.slice(0, 200)}" is not one`;
    const { protocol, hostname: inUrl } = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:') return `its URL ${url} is not http`;
    const host = inUrl.replace(/^\[|\]$/g, '');
    if (isLoopback(host))
      return sameMachine
        ? null
        : `its URL ${url} leads nowhere from another machine; let it listen on the node's address`;
    if (host === agentHost || (sameMachine && isOwnHost(host)) || isAllowed(host)) return null;
    return `its URL ${url} is neither on the host of its agent (${agentHost}) nor in engineNetworks of the coordinator; add ${host} or its network there if it is right`;
  };
}
