/**
 * A directory that stands for the host's root, read by the real reader and judged by the real tracker; the clock moves only here.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeSample } from '../../../src/domain/device.js';
import type { Condition } from '../../../src/domain/health.js';
import { HostReader } from '../../../src/node/read-host.js';
import { HealthBench } from '../health/health-bench.js';

const opened: HostBench[] = [];
afterEach(() => {
  for (const bench of opened.splice(0)) rmSync(bench.root, { recursive: true, force: true });
});

export class HostBench extends HealthBench {
  readonly root = mkdtempSync(join(tmpdir(), 'infernode-host-'));
  freeRatio = 0.5;
  readonly #reader = new HostReader({
    clock: this.clock,
    root: this.root,
    diskPaths: ['/models'],
    statDisk: () => Promise.resolve({ bavail: 1000 * this.freeRatio, blocks: 1000 }),
  });

  constructor(options: ConstructorParameters<typeof HealthBench>[0] = {}) {
    super(options);
    opened.push(this);
    this.write('proc/1/stat', '1 (systemd) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 5 1 1');
    this.write('proc/meminfo', meminfo(0.5));
    this.write('proc/cpuinfo', 'flags\t\t: fpu vme\n');
    this.gpu('0000:01:00.0');
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true, force: true });
  }

  gpu(address: string): void {
    this.write(`sys/bus/pci/devices/${address}/vendor`, '0x10de\n');
    this.write(`sys/bus/pci/devices/${address}/class`, '0x030200\n');
  }

  port(active: boolean, counters: Record<string, number> = {}, device = 'mlx5_0'): void {
    const port = `sys/class/infiniband/${device}/ports/1`;
    this.write(`${port}/state`, active ? '4: ACTIVE\n' : '1: DOWN\n');
    for (const [name, value] of Object.entries({ symbol_error: 0, link_downed: 0, ...counters }))
      this.write(`${port}/counters/${name}`, `${value}\n`);
  }

  /** Time passes, the host is read, and a sample comes. */
  async after(seconds: number, change: Partial<NodeSample> = {}): Promise<void> {
    this.clock.advance((seconds - 1) * 1000);
    this.tracker.handleHost(await this.#reader.read());
    this.sample(change);
  }

  async times(count: number, seconds: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.after(seconds);
  }

  node(check: string): Condition[] {
    return this.tracker.nodeConditions.filter((condition) => condition.check === check);
  }

  expectNode(check: string, expected: Partial<Condition>): void {
    expect(this.node(check), `${check} fires`).toMatchObject([expected]);
  }
}

export function meminfo(availableRatio: number): string {
  return `MemTotal:       1000000 kB\nMemFree: 1 kB\nMemAvailable:   ${Math.round(1e6 * availableRatio)} kB\n`;
}

type Step = (bench: HostBench) => Promise<void>;

/** Two tests named by the id of the check: `<id> fires` and `<id> clears`; the contract test counts on the names. */
export function hostCheck(id: string, fires: Step, clears: Step, prepare?: (bench: HostBench) => void): void {
  const start = async (): Promise<HostBench> => {
    const bench = new HostBench();
    prepare?.(bench);
    await bench.after(60);
    expect(bench.node(id), `${id} is clear at first`).toEqual([]);
    await fires(bench);
    expect(bench.node(id).length, `${id} fires`).toBeGreaterThan(0);
    return bench;
  };
  describe(id, () => {
    it(`${id} fires`, async () => void (await start()));
    it(`${id} clears`, async () => {
      const bench = await start();
      await clears(bench);
      expect(bench.node(id), `${id} is clear`).toEqual([]);
    });
  });
}
