// Servers that are data: command line, load, and that a template needs to name no more than the kind.
import { describe, expect, it } from 'vitest';
import { agentSchema, type TemplateConfig } from '../../../src/config/agent-config.js';
import { adapterOf } from '../../../src/engine/engine-adapters.js';
import { EngineProbe } from '../../../src/engine/probe-engine.js';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const place = {
  host: '127.0.0.1',
  apiKey: null,
  port: 20_001,
  internalPort: 20_428,
  deviceUuids: ['GPU-a'],
  compileCacheDir: null,
  extraArgs: [],
};
const template = (over: object): TemplateConfig =>
  agentSchema.parse({ templates: { t: { model: 'org/model', ...over } } }).templates['t']!;

describe('the command of', () => {
  it.each([
    ['sglang', ['python3', '-m', 'sglang.launch_server'], '--model-path', ['--served-model-name', 'chat']],
    ['tgi', ['text-generation-launcher'], '--model-id', []],
    ['llama.cpp', ['llama-server'], '--model', ['--alias', 'chat']],
  ] as const)('%s', async (adapter, command, modelFlag, names) => {
    expect(template({ adapter }).command).toEqual(command);
    const own = template({
      adapter,
      command: ['/bin/sh', 'x'],
      args: ['--own', '$(x)'],
      servedModelNames: ['chat'],
    });
    const { argv, env } = await adapterOf(own).command(own, place, { PATH: '/bin', NOTIFY_SOCKET: 'x' });
    expect(argv.slice(0, 4)).toEqual(['/bin/sh', 'x', modelFlag, 'org/model']);
    expect(argv.join(' ')).toContain('--port 20001');
    expect(argv.join(' ')).toContain(names.join(' '));
    expect(argv.slice(-2)).toEqual(['--own', '$(x)']);
    expect(env).toEqual({ PATH: '/bin', NO_COLOR: '1', CUDA_VISIBLE_DEVICES: 'GPU-a' });
  });

  it('a program that is missing is refused', async () => {
    const missing = template({ adapter: 'llama.cpp', command: ['/no/llama-server'] });
    await expect(adapterOf(missing).command(missing, place, {})).rejects.toThrow(/does not exist/);
  });
});

it.each([
  [
    'sglang',
    'sglang:num_running_reqs{m="a"} 3\nsglang:num_queue_reqs{m="a"} 2\nsglang:token_usage{m="a"} 0.28\n',
    0.28,
  ],
  ['tgi', 'tgi_batch_current_size 3\ntgi_queue_size 2\n', null],
  ['llama.cpp', 'llamacpp:requests_processing 3\nllamacpp:requests_deferred 2\n', null],
] as const)('the load of %s', (adapter, page, kvCacheUsageRatio) => {
  expect(adapterOf({ adapter }).parseLoad(page)).toMatchObject({ running: 3, waiting: 2, kvCacheUsageRatio });
  expect(adapterOf({ adapter }).parseLoad('<html>')).toBeNull();
});

it('a 503 without a body is death for vLLM only', async () => {
  const server = createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [adapter, kind] of [
    ['vllm', 'dead'],
    ['sglang', 'unclear'],
  ] as const) {
    const probe = new EngineProbe({ url, adapter: adapterOf({ adapter }) });
    expect(await probe.health()).toMatchObject({ kind });
    probe.close();
  }
  server.close();
});
