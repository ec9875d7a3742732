/** A `DeviceSampler` with a real sampler process over simulated GPUs, fast enough for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { DeviceMetrics } from '../../src/device/device-metrics.js';
import { DeviceSampler } from '../../src/device/sample-devices.js';
import type { KernelNews } from '../../src/device/sampler-news.js';
import type { DeviceEvent, NodeSample } from '../../src/domain/device.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../../src/runtime/logger.js';

export class RunningSampler {
  readonly registry = new Registry();
  readonly runDir = mkdtempSync(join(tmpdir(), 'infernode-run-'));
  readonly sampler: DeviceSampler;
  readonly events: DeviceEvent[] = [];
  readonly kernelNews: KernelNews[] = [];

  constructor(
    libraryPath: string,
    options: {
      intervalMs?: number;
      callDeadlineMs?: number;
      kmsg?: { path: string; match: readonly string[] };
    } = {},
  ) {
    this.sampler = new DeviceSampler({
      libraryPath,
      runDir: this.runDir,
      intervalMs: 50,
      callDeadlineMs: 400,
      clock: systemClock,
      logger: silentLogger(),
      metrics: new DeviceMetrics(this.registry, 'test'),
      ...options,
    });
    this.sampler.onKernelLog((news) => this.kernelNews.push(news));
    this.sampler.onEvent((event) => this.events.push(event));
  }

  /** The first sample, this one or a later one, for which the condition holds. */
  sampleWith(condition: (sample: NodeSample) => boolean, timeoutMs = 20_000): Promise<NodeSample> {
    return new Promise((resolve, reject) => {
      const look = (sample: NodeSample | null): void => {
        if (!sample || !condition(sample)) return;
        finish();
        resolve(sample);
      };
      const unsubscribe = this.sampler.onSample(look);
      const deadline = setTimeout(() => {
        finish();
        reject(new Error(`no such sample; the last one: ${JSON.stringify(this.sampler.latest())}`));
      }, timeoutMs);
      const finish = (): void => {
        unsubscribe();
        clearTimeout(deadline);
      };
      look(this.sampler.latest());
    });
  }

  nextSample(): Promise<NodeSample> {
    const now = this.sampler.latest();
    return this.sampleWith((sample) => sample !== now);
  }

  /** Value of one series; `undefined` when it is not there. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric(name)?.get();
    return metric?.values.find((v) => Object.entries(labels).every(([key, value]) => v.labels[key] === value))
      ?.value;
  }

  async end(): Promise<void> {
    await this.sampler.close();
    rmSync(this.runDir, { recursive: true, force: true });
  }
}
