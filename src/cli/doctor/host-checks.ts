import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, ok, warn, type Finding } from './finding.js';
import type { InstalledService } from './installed-service.js';

/** Streams need two descriptors each; 10,000 streams is what the gateway is measured for. */
const wantedDescriptors = 65_536;
/** NCCL and vLLM's shared-memory broadcast want more than a container's 64 MiB default. */
const wantedShmBytes = 1024 ** 3;

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

/** Keepers make groups under the agent's own; a service has one of its own, which only the unit can say to be delegated. */
export function checkCgroup(service: InstalledService | null): Finding {
  const without = 'engines are ended by walking their process tree meanwhile';
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => / - cgroup2 /.test(line))
    ?.split(' ')[4];
  if (mount === undefined)
    return warn('cgroup v2', 'no cgroup2 mount', `mount cgroup2 for the empty-group proof; ${without}`);
  if (service)
    return service.delegate
      ? ok('cgroup v2', `${service.unit} has Delegate=yes: engines get groups of their own`)
      : warn('cgroup v2', `${service.unit} has no Delegate=yes`, `set it in a drop-in; ${without}`);
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  const group = [join(mount, own), mount].find((directory) => can(directory, constants.W_OK));
  return group === undefined
    ? warn('cgroup v2', `${join(mount, own)} is not writable`, `under systemd set Delegate=yes; ${without}`)
    : ok('cgroup v2', `${group} is writable: engines get groups of their own`);
}

/** systemd makes the directory of a service and gives it to the service's user; anywhere else it must be ours to write. */
export function checkStateDir(directory: string, service: InstalledService | null): Finding {
  const check = 'state directory';
  if (service?.stateDirectories.includes(directory)) {
    const owner = statSync(directory, { throwIfNoEntry: false })?.uid;
    if (owner === undefined || owner === service.uid)
      return ok(check, `${directory} belongs to ${service.user}, the user of ${service.unit}`);
  }
  let existing = directory;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  return can(existing, constants.W_OK) && statSync(existing).isDirectory()
    ? ok(check, `${directory} can be written`)
    : fail(
        check,
        `${directory} cannot be written by ${userInfo().username}`,
        `make it: install -d -m 0700 -o ${service?.user ?? userInfo().username} ${directory}; or set stateDir`,
      );
}

/** Of the coordinator's unit where it is installed: the limit of a shell says nothing about a service. */
export function checkDescriptors(coordinator: InstalledService | null): Finding {
  const own = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  const soft = coordinator?.openFiles ?? own;
  const whose = coordinator ? ` of ${coordinator.unit}` : '';
  return soft >= wantedDescriptors
    ? ok('open files', `limit ${soft}${whose}`)
    : warn(
        'open files',
        `limit ${soft}${whose}: about ${Math.floor(soft / 2)} streams at once`,
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
