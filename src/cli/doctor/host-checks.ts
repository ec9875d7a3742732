import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { formatAddress, type ListenAddress } from '../../config/listen-address.js';
import type { TlsConfig } from '../../config/tls-config.js';
import { messageOf } from '../../domain/error-codes.js';
import { TlsFiles } from '../../rpc/tls-files.js';
import { findOnPath } from '../up/plan-cluster.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

/** Streams need two descriptors each; 10,000 streams is what the gateway is measured for. */
const wantedDescriptors = 65_536;
/** NCCL and vLLM's shared-memory broadcast want more than a container's 64 MiB default. */
const wantedShmBytes = 1024 ** 3;

/** As the alert InfernodeCertificateExpiresSoon. */
const expiresSoonDays = 14;

const can = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};

export function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const found = `Node ${process.versions.node}`;
  return major > 20 || (major === 20 && minor >= 19)
    ? ok('node', found)
    : fail('node', found, 'install Node 20.19 or newer');
}

export function checkKernelLog(): Finding {
  if (!existsSync('/dev/kmsg'))
    return warn(
      'kernel log',
      '/dev/kmsg is absent',
      "in a container mount the host's /dev/kmsg; NVML events alone are used meanwhile",
    );
  return can('/dev/kmsg', constants.R_OK)
    ? ok('kernel log', '/dev/kmsg can be read')
    : warn(
        'kernel log',
        '/dev/kmsg cannot be read',
        'grant CAP_SYSLOG (the systemd unit does) or run as root; NVML events alone are used meanwhile',
      );
}

export function checkCgroup(): Finding {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => / - cgroup2 /.test(line))
    ?.split(' ')[4];
  if (mount === undefined)
    return warn(
      'cgroup v2',
      'no cgroup2 mount',
      'engines are then ended by walking their process tree; mount cgroup2 for the empty-group proof',
    );
  return can(mount, constants.W_OK)
    ? ok('cgroup v2', `${mount} is writable: engines get groups of their own`)
    : warn(
        'cgroup v2',
        `${mount} is not writable`,
        'under systemd set Delegate=yes; engines are ended by walking their process tree meanwhile',
      );
}

export async function checkVllm(): Promise<Finding> {
  const vllm = findOnPath('vllm');
  if (vllm === null)
    return info(
      'vllm',
      'no `vllm` on the PATH',
      'install vLLM, or give templates a `command`; `infernode up` simulates engines meanwhile',
    );
  const version = await new Promise<string>((resolve) =>
    execFile(vllm, ['--version'], { timeout: 60_000 }, (error, stdout) =>
      resolve(error ? `no version (${error.message.split('\n')[0]})` : stdout.trim()),
    ),
  );
  return ok('vllm', `${vllm}: ${version}`);
}

export function checkStateDir(directory: string): Finding {
  let existing = directory;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  return can(existing, constants.W_OK)
    ? ok('state directory', `${directory} can be written`)
    : fail(
        'state directory',
        `${directory} cannot be written`,
        `create it for this user: install -d -o ${process.env['USER'] ?? 'infernode'} ${directory}; or set stateDir`,
      );
}

export function checkDescriptors(): Finding {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  return soft >= wantedDescriptors
    ? ok('open files', `limit ${soft}`)
    : warn(
        'open files',
        `limit ${soft}: about ${Math.floor(soft / 2)} streams at once`,
        `raise LimitNOFILE (systemd) or ulimit -n to ${wantedDescriptors} for the coordinator`,
      );
}

export function checkSharedMemory(): Finding {
  const { bsize, blocks } = statfsSync('/dev/shm');
  const mebibytes = Math.round((bsize * blocks) / 1024 ** 2);
  return bsize * blocks >= wantedShmBytes
    ? ok('/dev/shm', `${mebibytes} MiB`)
    : warn(
        '/dev/shm',
        `${mebibytes} MiB`,
        'tensor-parallel engines need 1 GiB or more: mount a larger /dev/shm (emptyDir with medium: Memory in Kubernetes)',
      );
}

/** Of a listener's `tls`: readable, fitting its key, and not about to expire. */
export function checkCertificate(name: string, tls: TlsConfig | undefined, nowMs: number): Finding[] {
  if (tls === undefined) return [];
  const check = `certificate ${name}`;
  try {
    const { certificate, key, clientCa } = tls;
    const expiresAtMs = new TlsFiles({ certificate, key, ca: clientCa }).expiresAtMs ?? Infinity;
    const days = Math.floor((expiresAtMs - nowMs) / 86_400_000);
    const remedy = `replace ${certificate} and ${key}: they are read again without a restart (a lab: infernode certs init)`;
    if (days < 0) return [fail(check, `${certificate} expired ${-days} days ago`, remedy)];
    const found = `${certificate} is valid for ${days} days`;
    return [days < expiresSoonDays ? warn(check, found, remedy) : ok(check, found)];
  } catch (error) {
    return [
      fail(check, messageOf(error), 'name PEM files that fit each other in tls.certificate and tls.key'),
    ];
  }
}

export async function checkPort(name: string, address: ListenAddress): Promise<Finding> {
  const text = formatAddress(address);
  const error = await new Promise<Error | null>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(address.port, address.host, () => server.close(() => resolve(null)));
  });
  return error === null
    ? ok(`port ${name}`, `${text} is free`)
    : warn(
        `port ${name}`,
        `${text} cannot be bound: ${messageOf(error)}`,
        `if infernode itself does not hold it, find the owner with \`ss -ltnp\`, or set listen.${name}`,
      );
}
