/**
 * The rules by `promtool`, and a real Prometheus (Debian package `prometheus`) that scrapes a running cluster: engines are found through the agents'
 * `/sd`, every query of every dashboard has data, and an Xid fires its alert.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually, startUp, type RunningUp } from '../support/running-up.js';
import { repositoryRoot } from '../support/source-tree.js';

const monitoring = join(repositoryRoot, 'deploy/monitoring');
const promtool = (...args: string[]) =>
  execFileSync('promtool', args, { cwd: monitoring, encoding: 'utf8', stdio: 'pipe' });

describe('promtool', () => {
  it('takes the rules and the example configuration', () => {
    expect(promtool('check', 'rules', 'recording-rules.yaml', 'alert-rules.yaml')).toMatch(/SUCCESS/);
    expect(promtool('check', 'config', 'prometheus.yaml')).toMatch(/SUCCESS/);
  });

  it('sees each alert fire on its symptom, and not before its time', () => {
    expect(promtool('test', 'rules', 'alert-rules.test.yaml')).toMatch(/SUCCESS/);
  });
});

interface Panel {
  title: string;
  targets: { expr: string }[];
}
const dashboards = readdirSync(join(monitoring, 'dashboards')).map((name) => ({
  name,
  panels: (JSON.parse(readFileSync(join(monitoring, 'dashboards', name), 'utf8')) as { panels: Panel[] })
    .panels,
}));
const queries = dashboards.flatMap(({ name, panels }) =>
  panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ panel: `${name}: ${title}`, expr }))),
);

it('the dashboards in the repository are those that the script writes', async () => {
  const { renderDashboards } = (await import(join(repositoryRoot, 'scripts/generate-dashboards.mjs'))) as {
    renderDashboards: () => [string, string][];
  };
  for (const [name, text] of renderDashboards())
    expect(
      readFileSync(join(monitoring, 'dashboards', name), 'utf8'),
      `run scripts/generate-dashboards.mjs`,
    ).toBe(text);
  expect(
    renderDashboards()
      .map(([name]) => name)
      .sort(),
  ).toEqual(dashboards.map(({ name }) => name).sort());
});

describe('a real Prometheus on a running cluster', () => {
  let up: RunningUp;
  let prometheus: ChildProcess;
  let url: string;
  let directory: string;
  let traffic: NodeJS.Timeout;

  beforeAll(async () => {
    up = await startUp();
    directory = mkdtempSync(join(tmpdir(), 'infernode-prometheus-'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    for (const rules of ['recording-rules.yaml', 'alert-rules.yaml'])
      cpSync(join(monitoring, rules), join(directory, rules));
    writeFileSync(join(directory, 'prometheus.yaml'), stringify(configurationFor(up)));
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(directory, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    const client = new OpenAI({ baseURL: `${up.ready.gateway}/v1`, apiKey: 'none', maxRetries: 0 });
    // A prompt of several cache blocks, the same again and again: hits, reroutes, latencies all have data.
    const content = 'What is a GPU? '.repeat(400);
    const ask = (): void =>
      void client.chat.completions
        .create({
          model: 'chat',
          max_tokens: 8,
          messages: [{ role: 'user', content }],
          stream: true,
          stream_options: { include_usage: true },
        })
        .then(async (stream) => {
          for await (const chunk of stream) void chunk;
        })
        .catch(() => undefined);
    ask();
    traffic = setInterval(ask, 500);
    await eventually(
      'Prometheus is ready',
      async () => (await fetch(`${url}/-/ready`).catch(() => null))?.ok,
    );
  }, 120_000);
  afterAll(async () => {
    clearInterval(traffic);
    prometheus?.kill('SIGKILL');
    await up?.interrupt();
    rmSync(directory, { recursive: true, force: true });
  });

  async function query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: { result: never[] } };
    if (answer.status !== 'success') throw new Error(`${expr}: ${answer.error}`);
    return answer.data.result;
  }

  it('finds agents, coordinator and, through /sd, the engines', async () => {
    await eventually('all targets are up', async () => {
      const targets = await query('up == 1');
      const jobs = targets.map(({ metric }) => metric['job']).sort();
      return jobs.filter((job) => job === 'infernode-engine').length === 4 && jobs.length === 7;
    });
  });

  it('what it scrapes is well formed', async () => {
    for (const page of [up.ready.agents[0]?.metrics, up.ready.coordinator.metrics]) {
      const text = await (await fetch(page ?? '')).text();
      const lint = execFileSync('promtool', ['check', 'metrics'], {
        input: text,
        encoding: 'utf8',
        stdio: 'pipe',
      });
      expect(lint).toBe('');
    }
  });

  it.each(queries)('has data for $panel', async ({ expr }) => {
    const filled = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(node|engine_id|model)\b/g, '.*');
    await eventually(
      filled,
      async () => (await query(filled)).some(({ value }) => value[1] !== 'NaN'),
      90_000,
    );
  });

  it('an Xid 79 fires the alert of an unhealthy GPU, with its action', async () => {
    await up.infernode('sim', 'gpu', 'xid', '79', '--gpu', '0');
    await eventually(
      'the alert',
      async () => {
        const response = await fetch(`${url}/api/v1/alerts`);
        const { data } = (await response.json()) as {
          data: {
            alerts: { labels: Record<string, string>; annotations: Record<string, string>; state: string }[];
          };
        };
        return data.alerts.find(
          ({ labels, state, annotations }) =>
            labels['alertname'] === 'InfernodeGpuUnhealthy' &&
            state === 'pending' &&
            annotations['action']?.includes('infernode explain'),
        );
      },
      60_000,
    );
  });
});

function configurationFor({ ready }: RunningUp): object {
  const host = (address: string): string => new URL(address).host;
  const agents = ready.agents.map(({ metrics }) => host(metrics));
  return {
    global: { scrape_interval: '2s', evaluation_interval: '2s' },
    rule_files: ['recording-rules.yaml', 'alert-rules.yaml'],
    scrape_configs: [
      { job_name: 'infernode-agent', static_configs: [{ targets: agents }] },
      { job_name: 'infernode-coordinator', static_configs: [{ targets: [host(ready.coordinator.metrics)] }] },
      {
        job_name: 'infernode-engine',
        http_sd_configs: agents.map((agent) => ({ url: `http://${agent}/sd`, refresh_interval: '2s' })),
      },
    ],
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
