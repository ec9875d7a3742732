// What each kind of answer of an engine is taken for, and that looking costs one connection. A real server on a free port.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { adapterOf } from '../../../src/engine/engine-adapters.js';
import { EngineProbe } from '../../../src/engine/probe-engine.js';

let server: Server | null = null;
let probe: EngineProbe | null = null;
const connections: Socket[] = [];

async function probeOf(answer: RequestListener, base = ''): Promise<EngineProbe> {
  connections.length = 0;
  server = createServer(answer)
    .on('connection', (socket: Socket) => connections.push(socket))
    .listen(0, '127.0.0.1');
  await new Promise((resolve) => server!.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`;
  return (probe = new EngineProbe({
    url,
    adapter: adapterOf({ adapter: 'vllm' }),
    apiKey: 'k',
    timeoutMs: 200,
  }));
}

afterEach(async () => {
  probe?.close();
  server?.closeAllConnections();
  if (server?.listening) await new Promise((resolve) => server!.close(resolve));
});

it.each<[string, RequestListener, object]>([
  ['200', (_, response) => response.end('x'), { kind: 'ok' }],
  ['503 without a body', (_, response) => response.writeHead(503).end(), { kind: 'dead' }],
  ['503 with a body', (_, response) => response.writeHead(503).end('busy'), { kind: 'unclear' }],
  ['nothing in time', () => undefined, { kind: 'unclear' }],
  ['a head and nothing more', (_, response) => void response.write('x'), { kind: 'unclear' }],
  ['a connection that is cut', (request) => request.socket.destroy(), { kind: 'unclear' }],
  [
    'half a body and a cut',
    (request, response) => response.write('x', () => request.socket.destroy()),
    { kind: 'unclear' },
  ],
  ['no HTTP', (request) => request.socket.end('\0\0\0\r\n\r\n'), { kind: 'unclear' }],
])('%s', async (_, answer, kind) => {
  expect(await (await probeOf(answer)).health()).toMatchObject(kind);
});

it('nobody on the port', async () => {
  const alone = await probeOf(() => undefined);
  await new Promise((resolve) => server!.close(resolve));
  expect(await alone.health()).toEqual({ kind: 'refused' });
});

it('a page that never ends is given up at its bound', async () => {
  const endless = await probeOf((request, response) => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const more = (): void => void (request.destroyed || response.write(piece, more));
    more();
  });
  expect(await endless.metrics()).toBeNull();
});

it('looks share one connection, keep the path of the URL and carry the key', async () => {
  const seen: unknown[] = [];
  const engine = await probeOf((request, response) => {
    seen.push([request.method, request.url, request.headers.authorization]);
    request.resume().on('end', () => response.end('{"data":[{"id":"m"}]}'));
  }, '/base/');
  for (let look = 0; look < 3; look++) await engine.health();
  expect(await engine.models()).toEqual(['m']);
  expect(await engine.post('/sleep', { level: 1 }, 1000)).toBe(200);
  expect(await engine.canary('m', new AbortController().signal)).toBe(true);
  expect(connections.length).toBe(1);
  expect(seen.slice(2)).toEqual([
    ['GET', '/base/health', 'Bearer k'],
    ['GET', '/base/v1/models', 'Bearer k'],
    ['POST', '/base/sleep', 'Bearer k'],
    ['POST', '/base/v1/completions', 'Bearer k'],
  ]);
});

it('a canary that hangs ends with its signal', async () => {
  const hanging = await probeOf(() => undefined);
  const stop = new AbortController();
  const asked = hanging.canary('m', stop.signal);
  await new Promise((resolve) => server!.once('request', resolve));
  stop.abort();
  expect(await asked).toBe(false);
});
