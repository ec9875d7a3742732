// Drives native/test/nvml_sim_test.cc: a process that has opened a simulated library and makes calls on request, each on a
// thread of its own. Also makes simulated nodes in temporary directories.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSimulatedNode, type SimulatedNodeOptions } from '../../src/sim/gpu-scenario.js';

const clientProgram = new URL('../../build/Release/infernode-nvml-sim-test', import.meta.url).pathname;

export interface Answer {
  /** NVML's return code; -1 when the library has no such symbol. */
  code: number;
  /** Answers by name; of repeated names the last. */
  values: Record<string, string>;
  /** All answers of one name, in order. */
  all(name: string): number[];
  number(name: string): number;
}

export class NvmlClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  #next = 0;
  stderr = '';

  constructor(libraryPath: string) {
    if (!existsSync(clientProgram))
      throw new Error(`expected ${clientProgram}; build it with \`npm run build:native\``);
    this.#child = spawn(clientProgram, [libraryPath], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#take(line));
  }

  /** Resolves when the call returns, which one that hangs does not. */
  call(command: string, ...args: (string | number)[]): Promise<Answer> {
    const id = String(this.#next++);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin?.write([id, command, ...args].join(' ') + '\n');
    });
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await exited;
  }

  #take(line: string): void {
    const [id = '', code, ...words] = line.split(' ');
    const pairs = words.map((word) => word.split('=') as [string, string]);
    const values = Object.fromEntries(pairs);
    this.#waiting.get(id)?.({
      code: Number(code),
      values,
      all: (name) => pairs.filter(([key]) => key === name).map(([, value]) => Number(value)),
      number: (name) => Number(values[name]),
    });
    this.#waiting.delete(id);
  }
}

export interface SimulatedNode {
  directory: string;
  uuids: string[];
  client: NvmlClient;
  /** Another process that opens the same library. */
  anotherClient(): NvmlClient;
  close(): Promise<void>;
}

/** A simulated node with a client whose library is initialised. */
export async function openNode(options: Partial<SimulatedNodeOptions> = {}): Promise<SimulatedNode> {
  const directory = mkdtempSync(join(tmpdir(), 'infernode-nvml-'));
  const { libraryPath, uuids } = createSimulatedNode(directory, {
    gpus: 4,
    profile: 'H100-80',
    seed: 7,
    ...options,
  });
  const clients: NvmlClient[] = [];
  const anotherClient = (): NvmlClient => {
    const client = new NvmlClient(libraryPath);
    clients.push(client);
    return client;
  };
  const client = anotherClient();
  await client.call('init');
  return {
    directory,
    uuids,
    client,
    anotherClient,
    async close() {
      await Promise.all(clients.map((each) => each.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
