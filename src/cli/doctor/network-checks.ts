import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { CoordinatorConfig } from '../../config/coordinator-config.js';
import { formatAddress, type ListenAddress } from '../../config/listen-address.js';
import { messageOf } from '../../domain/error-codes.js';
import { NodeServiceClient } from '../../rpc/node-service-client.js';
import { TlsFiles, type TlsFilePaths } from '../../rpc/tls-files.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

/** As the alert InfernodeCertificateExpiresSoon. */
const expiresSoonDays = 14;
const dayMs = 86_400_000;
const agentTimeoutMs = 3_000;
/** More are the business of `infernode status`. */
const maxAgents = 32;

/** Free, held by infernode itself, or held by somebody else, who is named where this user may see it. */
export async function checkPort(name: string, address: ListenAddress): Promise<Finding> {
  const check = `port ${name}`;
  const text = formatAddress(address);
  const error = await bindError(address);
  if (error === null) return ok(check, `${text} is free`);
  const owner = ownerOfPort(address.port);
  if (owner !== null && /\binfernode\b/.test(owner)) return ok(check, `${text} is held by ${owner}`);
  return warn(
    check,
    `${text} cannot be bound: ${error.message}${owner ? `, held by ${owner}` : ''}`,
    owner
      ? `stop it, or set listen.${name}`
      : `if infernode itself does not hold it, find the owner with \`ss -ltnp\`, or set listen.${name}`,
  );
}

/** Why nothing can listen there now; `null` when something can. */
export function bindError({ host, port }: ListenAddress): Promise<Error | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

/** `process PID (command)` of whoever listens on the port, `null` where that cannot be seen. */
export function ownerOfPort(port: number): string | null {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6']
    .filter(existsSync)
    .flatMap((table) => readFileSync(table, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    // Local address, state 0A: it listens.
    .filter(([, local = '', , state]) => state === '0A' && local.endsWith(`:${hex}`))
    .map((columns) => `socket:[${columns[9]}]`);
  if (inodes.length === 0) return null;
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)))
    try {
      const holds = readdirSync(`/proc/${pid}/fd`).some((fd) => {
        try {
          return inodes.includes(readlinkSync(`/proc/${pid}/fd/${fd}`));
        } catch {
          return false;
        }
      });
      if (holds)
        return `process ${pid} (${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 80)})`;
    } catch {
      // Not ours to look at, or gone.
    }
  return null;
}

/** Readable, fitting its key, valid now, and not about to expire. */
export function checkCertificate(name: string, paths: TlsFilePaths | undefined, nowMs: number): Finding[] {
  const { certificate, key } = paths ?? {};
  if (paths === undefined || certificate === undefined) return [];
  const check = `certificate ${name}`;
  const credential = /^\/run\/credentials\/([^/]+)\//.exec(certificate)?.[1];
  if (credential !== undefined && !existsSync(certificate))
    return [
      info(check, `${certificate} is there, and can be read, only for ${credential} while it runs`, ''),
    ];
  try {
    void new TlsFiles(paths);
    const { validFrom, validTo } = new X509Certificate(readFileSync(certificate));
    const remedy = `replace ${certificate} and ${key} (a lab: infernode certs init)`;
    if (Date.parse(validFrom) > nowMs)
      return [
        fail(
          check,
          `${certificate} is valid only from ${validFrom}`,
          `set this machine's clock, or ${remedy}`,
        ),
      ];
    const days = Math.floor((Date.parse(validTo) - nowMs) / dayMs);
    if (days < 0) return [fail(check, `${certificate} expired ${-days} days ago`, remedy)];
    const found = `${certificate} is valid for ${days} days`;
    return [days < expiresSoonDays ? warn(check, found, remedy) : ok(check, found)];
  } catch (error) {
    return [
      fail(check, messageOf(error), 'name PEM files that fit each other in tls.certificate and tls.key'),
    ];
  }
}

/** Certificates end and begin by this clock, and events of several nodes are read side by side. */
export function checkClock(): Promise<Finding> {
  return new Promise((resolve) =>
    execFile(
      'timedatectl',
      ['show', '-p', 'NTPSynchronized', '--value'],
      { timeout: 5_000 },
      (error, stdout) =>
        resolve(
          error
            ? info('clock', 'whether it is kept cannot be asked: no timedatectl here')
            : stdout.trim() === 'yes'
              ? ok('clock', 'synchronized')
              : warn(
                  'clock',
                  'not synchronized: certificates and events go by it',
                  'run a time service: `timedatectl set-ntp true`, or chrony',
                ),
        ),
    ),
  );
}

/** What a coordinator's configuration names: does an agent answer there, and does it accept this proof? */
export async function checkAgents({ agents }: Pick<CoordinatorConfig, 'agents'>): Promise<Finding[]> {
  return Promise.all(
    agents.slice(0, maxAgents).map(async ({ address, tls }): Promise<Finding> => {
      const check = `agent ${address}`;
      let client: NodeServiceClient | null = null;
      try {
        client = new NodeServiceClient({ address, ...(tls && { tls }), deadlineMs: agentTimeoutMs });
        const { state, agentVersion } = await client.getNode();
        return ok(check, `${state.node} answers, infernode ${agentVersion}`);
      } catch (error) {
        return warn(
          check,
          messageOf(error),
          'is infernode-agent running there, does its listen.control reach beyond loopback, and do both sides trust one authority?',
        );
      } finally {
        client?.close();
      }
    }),
  );
}
