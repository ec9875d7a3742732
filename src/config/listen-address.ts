import { z } from 'zod';

/** `HOST:PORT` or `[v6]:PORT`; port 0 takes a free one. */
export interface ListenAddress {
  host: string;
  port: number;
}

const pattern = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/;

export function parseListenAddress(text: string): ListenAddress | null {
  const match = pattern.exec(text);
  const port = Number(match?.[3]);
  return match && port <= 65535 ? { host: match[1] ?? match[2] ?? '', port } : null;
}

export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Nobody but this machine reaches a loopback address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

export const listenAddress = z.string().transform((text, context): ListenAddress => {
  const address = parseListenAddress(text);
  if (address) return address;
  context.addIssue({ code: 'custom', message: 'expected HOST:PORT, such as 127.0.0.1:9470' });
  return z.NEVER;
});
