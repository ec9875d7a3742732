// `infernode engines ...` as an operator types it, against the agent of a running `infernode up` with simulated vLLM: what it
// prints, what becomes of the engine, and the exit codes of what cannot be done. The agent plans for its own devices too.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineStatus } from '../../src/domain/engine.js';
import { NodeServiceClient } from '../../src/rpc/node-service-client.js';
import { eventually, startUp, type RunningUp } from '../support/running-up.js';

let up: RunningUp;
/** For what becomes of the engines; what is typed goes through the command. */
let agent: NodeServiceClient;
beforeAll(async () => {
  up = await startUp();
  agent = new NodeServiceClient({ address: up.ready.agents[0]!.grpc });
}, 120_000);
afterAll(async () => {
  agent?.close();
  await up?.interrupt();
});

const engines = (...args: string[]) => up.infernode('engines', ...args);

const reaches = (id: string, state: string, incarnation: string): Promise<EngineStatus> =>
  eventually(
    `${id} is ${state}`,
    async () =>
      (await agent.listEngines()).find(
        (engine) => engine.id === id && engine.state === state && engine.incarnation === incarnation,
      ),
    60_000,
  );

const firstEngine = async (): Promise<EngineStatus> => (await agent.listEngines())[0]!;

describe('infernode engines', { timeout: 120_000 }, () => {
  it('lists every engine with model, state and run', async () => {
    const { id } = await firstEngine();
    await reaches(id, 'ready', '1');
    const { code, stdout } = await engines();
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${id} +\\S+ +ready +run 1 +0 running, 0 waiting`, 'm'));
    const document = JSON.parse((await engines('list', '--json')).stdout) as EngineStatus[];
    expect(document.find((engine) => engine.id === id)).toMatchObject({ state: 'ready', incarnation: '1' });
  });

  it('restarts: drained, and ready again with the next run', async () => {
    const { id } = await firstEngine();
    const { code, stdout } = await engines('restart', id, '--deadline', '0');
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^${id}: draining, restart`))]);
    expect(await reaches(id, 'ready', '2')).toMatchObject({ restarts: 0 });
  });

  it('tells the end of the log, of an earlier run too', async () => {
    const { id } = await firstEngine();
    for (const args of [[], ['--run', '1']]) {
      const { code, stdout } = await engines('logs', id, ...args);
      expect(code).toBe(0);
      expect(stdout).toContain('Application startup complete.');
    }
    const none = await engines('logs', id, '--run', '77');
    expect(none.code).not.toBe(0);
    expect(none.stderr).toMatch(/77/);
  });

  it('says why an engine died', async () => {
    const { id, pid } = await firstEngine();
    expect((await engines('why', id)).stdout).toContain('it has not died unasked');
    process.kill(pid!, 'SIGKILL');
    await reaches(id, 'ready', '3');
    const { stdout } = await engines('why', id);
    expect(stdout).toMatch(/run 2/);
    expect(stdout).toMatch(/killed/);
    expect(stdout).toMatch(/end: \w+ in .*tree-empty/);
    const document = JSON.parse((await engines('why', id, '--json')).stdout) as { deaths: unknown[] };
    expect(document.deaths).toHaveLength(1);
  });

  it('drains, stops and starts', async () => {
    const { id } = await firstEngine();
    expect((await engines('drain', id, '--deadline', '5')).stdout).toMatch(/: draining, drain requested/);
    await reaches(id, 'stopped', '3');
    const again = await engines('drain', id);
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/is stopped/);
    expect((await engines('start', id)).code).toBe(0);
    await reaches(id, 'ready', '4');
    expect((await engines('stop', id)).code).toBe(0);
    await reaches(id, 'stopped', '4');
  });

  it.each([
    [['start', 'nobody'], /nobody/],
    [['start', 'nobody', '--template', 'no-such'], /no-such/],
    [['stop', 'nobody'], /nobody/],
    [['drain', 'nobody', '--deadline', 'soon'], /expected --deadline to be a whole number/],
  ])('refuses %j with a reason', async (args, reason) => {
    const { code, stderr } = await engines(...args);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(reason);
  });
});

it('plans for the devices that the agent sees', async () => {
  const plan = await agent.plan({ model: 'llama-3.1-8b' });
  expect(plan).toMatchObject({ tensorParallelSize: 1, kvBytesPerToken: { auto: 131_072 } });
  expect(plan.command.slice(1, 3)).toEqual(['serve', 'meta-llama/Meta-Llama-3.1-8B']);
  await expect(agent.plan({ model: 'no-such-model' })).rejects.toMatchObject({ code: 'argument-invalid' });
});
