/** A machine that systemd has booted, for what only process 1 can show: units as they are enabled, started, reloaded and upgraded. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../src/domain/error-codes.js';
import { eventually } from './running-up.js';

/** A second on an idle machine. */
const bootTimeoutMs = 120_000;
const bootScript = new URL('boot-systemd.sh', import.meta.url).pathname;
const environment = {
  HOME: '/root',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TERM: 'dumb',
};

export class SystemdMachine {
  private constructor(
    private readonly pid: number,
    private readonly directory: string,
    private readonly cgroup: string,
    private readonly ended: Promise<void>,
  ) {}

  /** Why this machine does not let one boot another inside it: an unprivileged user or container. `null` where it does. */
  static whyNot(): string | null {
    try {
      cgroup2Mount();
      execFileSync('unshare', ['--mount', '--pid', '--fork', '--cgroup', '--uts', '--ipc', '--net', 'true'], {
        stdio: 'pipe',
      });
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Boots it. `shared` are directories of this machine that it sees, read-only. Needs root and Debian's `systemd` and `iproute2`. */
  static async boot(shared: readonly string[]): Promise<SystemdMachine> {
    const directory = mkdtempSync(join(tmpdir(), 'infernode-machine-'));
    const cgroup = join(cgroup2Mount(), `infernode-machine-${process.pid}`);
    const child = spawn('bash', [bootScript, directory, cgroup, ...shared], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (data: Buffer) => (log += data.toString()));
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    let over = false;
    void ended.then(() => (over = true));
    const pid = await eventually('process 1 is there', () => {
      if (over) throw new Error(`the machine did not boot: ${log}`);
      return processOneOf(child.pid ?? 0);
    });
    const machine = new SystemdMachine(pid, directory, cgroup, ended);
    await eventually(
      'the machine is booted',
      async () => {
        if (over) throw new Error(`the machine ended while it booted: ${log}`);
        const state = await machine.run('systemctl is-system-running || true').catch(() => '');
        return /^(running|degraded)$/.test(state.trim());
      },
      bootTimeoutMs,
    );
    return machine;
  }

  /** Runs shell lines as root, as pasted into one shell that stops at the first failure; resolves with what they print. */
  async run(script: string): Promise<string> {
    const namespaces = ['--mount', '--pid', '--cgroup', '--uts', '--ipc', '--net', '--root', '--wd'];
    const { stdout } = await promisify(execFile)(
      'nsenter',
      ['--target', String(this.pid), ...namespaces, '--', 'bash', '--norc', '-euo', 'pipefail', '-c', script],
      { env: environment, maxBuffer: 64 * 1024 * 1024 },
    );
    return stdout;
  }

  /** A file of this machine becomes one of it, or a text does. */
  write(path: string, content: string | Buffer): Promise<void> {
    const encoded = Buffer.from(content).toString('base64');
    return new Promise((resolve, reject) => {
      const child = execFile(
        'nsenter',
        [
          '--target',
          String(this.pid),
          '--mount',
          '--root',
          '--',
          'bash',
          '--norc',
          '-euc',
          writeFile,
          'write',
          path,
        ],
        { env: environment },
        (error) => (error ? reject(new Error(error.message)) : resolve()),
      );
      child.stdin?.end(encoded);
    });
  }

  async close(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.ended;
    rmSync(this.directory, { recursive: true, force: true });
    removeGroup(this.cgroup);
  }
}

const writeFile = 'mkdir -p "$(dirname "$1")"; base64 -d >"$1"';

function cgroup2Mount(): string {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => / - cgroup2 /.test(line))
    ?.split(' ')[4];
  if (mount === undefined) throw new Error('expected a cgroup2 mount for a machine of its own, found none');
  return mount;
}

/** `unshare` waits for its only child; it is systemd once it has replaced the shell. */
function processOneOf(unshare: number): number | null {
  try {
    const [child] = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').split(' ');
    const isSystemd = readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd';
    return child && isSystemd ? Number(child) : null;
  } catch {
    return null;
  }
}

/** Groups go from the innermost outwards, and only when their processes are gone. */
function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  try {
    rmdirSync(group);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
}
