import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** As `redis-cli` would. */
  cli(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

/** A real redis-server from the distribution's packages, without persistence, on a free port; throws where there is none. */
export async function startRedis(port?: number): Promise<RedisServer> {
  port ??= await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'infernode-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error('redis-server is needed: apt-get install redis-server', { cause: error })),
    );
    child.stdout.on('data', (data: Buffer) => data.toString().includes('Ready to accept') && resolve());
    void exited.then(() => reject(new Error('redis-server ended')));
  });
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    cli: (...command) => run('redis-cli', ['-p', `${port}`, ...command]),
    close: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function run(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data: Buffer) => (text += data.toString()));
    child.once('exit', (code) =>
      code === 0 ? resolve(text.trim()) : reject(new Error(`${command}: ${code}`)),
    );
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
