/** What a bundle holds: each part says where it comes from. Nothing here is kept or sent anywhere but into the file. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatAddress, type ListenAddress } from '../../config/listen-address.js';
import { effectiveValues } from '../../config/print-config.js';
import { ClusterServiceClient } from '../../rpc/cluster-service-client.js';
import { NodeServiceClient } from '../../rpc/node-service-client.js';
import type { Listener } from '../call-listener.js';
import type { Finding } from '../doctor/finding.js';
import { formatEntry } from '../events-command.js';
import { packageVersion } from '../package-version.js';
import type { BundlePart } from './collect-bundle.js';
import type { ReadConfiguration } from './read-configuration.js';

const engineLogBytes = 256 * 1024;
const journalLines = '5000';
const timeoutMs = 10_000;

export const machinePart: BundlePart = {
  name: 'machine.txt',
  read: () =>
    [
      `infernode ${packageVersion()}, Node ${process.version}, ${process.platform}-${arch()}, kernel ${release()}`,
      `${cpus().length} CPUs, ${(totalmem() / 1024 ** 3).toFixed(1)} GiB, up ${Math.round(uptime())} s`,
      `taken ${new Date().toISOString()}`,
      '',
    ].join('\n'),
};

export function configPart(
  name: string,
  { config, layers, problem }: ReadConfiguration<unknown>,
): BundlePart {
  return {
    name: `config-${name}.txt`,
    read: () =>
      layers === null
        ? `not valid, defaults stand in:\n${problem}\n`
        : effectiveValues(config, layers)
            .map(({ path, value, source }) => `${path} = ${JSON.stringify(value)}  # ${source}\n`)
            .join(''),
  };
}

export function doctorPart(examine: () => Promise<Finding[]>): BundlePart {
  return { name: 'doctor.json', read: async () => JSON.stringify(await examine(), null, 1) };
}

export function metricsPart(name: string, address: string | ListenAddress): BundlePart {
  const at = typeof address === 'string' ? address : formatAddress(address);
  const url = at.includes('://') ? at : `http://${at}/metrics`;
  return {
    name: `metrics-${name}.txt`,
    read: async () => (await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })).text(),
  };
}

export function clusterPart(coordinator: Listener): BundlePart {
  return {
    name: 'cluster.json',
    read: async () => {
      const client = new ClusterServiceClient(coordinator);
      try {
        return JSON.stringify(await client.getCluster(), null, 1);
      } finally {
        client.close();
      }
    },
  };
}

/** What happened on the node, its engines, their deaths and the ends of their logs. */
export function agentParts(
  client: NodeServiceClient,
  engineIds: readonly string[],
  logs: boolean,
): BundlePart[] {
  return [
    { name: 'node.json', read: async () => JSON.stringify((await client.getNode()).state, null, 1) },
    { name: 'events.txt', read: () => eventsOf(client) },
    ...engineIds.flatMap((engineId): BundlePart[] => [
      {
        name: `engine-${safe(engineId)}-deaths.json`,
        read: async () => JSON.stringify(await client.explainEngine({ engineId, limit: 20 }), null, 1),
      },
      ...(logs ? [{ name: `engine-${safe(engineId)}.log`, read: () => engineLogOf(client, engineId) }] : []),
    ]),
  ];
}

/** The services' own logs: from the journal under systemd, from the directory of an `infernode up`. */
export function logParts(upDirectory: string | null): BundlePart[] {
  if (upDirectory === null)
    return ['infernode-agent', 'infernode-coordinator'].map((unit) => ({
      name: `${unit}.log`,
      read: async () =>
        (
          await promisify(execFile)(
            'journalctl',
            ['--no-pager', '-o', 'cat', '-n', journalLines, '-u', unit],
            {
              timeout: timeoutMs,
              maxBuffer: 64 * 1024 * 1024,
            },
          )
        ).stdout,
    }));
  const directory = join(upDirectory, 'logs');
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .map((name) => ({ name: safe(name), read: () => readFileSync(join(directory, name), 'utf8') }));
}

function eventsOf(client: NodeServiceClient): Promise<string> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    client.watchEvents(
      { afterSeq: 0, follow: false },
      {
        onEntry: (entry) => lines.push(formatEntry(entry)),
        onEnd: (error) => (error ? reject(error) : resolve(lines.map((line) => `${line}\n`).join(''))),
      },
    );
  });
}

async function engineLogOf(client: NodeServiceClient, engineId: string): Promise<string> {
  let text = '';
  const call = { engineId, tailBytes: engineLogBytes };
  await client.tailEngineLog(call, (more) => (text += more), AbortSignal.timeout(timeoutMs));
  return text;
}

const safe = (name: string): string => name.replace(/[^\w.-]/g, '_').slice(0, 60);
