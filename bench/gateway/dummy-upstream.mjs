// The engine of the gateway bench: answers each request with fixed bytes, as cheaply as Node can. `x-mode` chooses what:
// `json` (200 bytes), `burst` (40 events in one write), `paced` (40 events, one per tick), `idle` (one event, then
// silence). Prints its ports.
import { createServer } from 'node:net';

const ports = Number(process.argv[2] ?? 4);
const tickMs = Number(process.argv[3] ?? 25);
const events = 40;

const event = (text, finish = null) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-0123456789abcdef',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'bench',
    choices: [{ index: 0, delta: { content: text }, logprobs: null, finish_reason: finish }],
  })}\n\n`;
const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const token = Buffer.from(chunk(event(' token')));
const last = Buffer.from(`${chunk(event('', 'stop'))}${chunk('data: [DONE]\n\n')}0\r\n\r\n`);
const first = Buffer.concat([Buffer.from(head), token]);
const burst = Buffer.concat([first, ...Array.from({ length: events - 2 }, () => token), last]);
const body = JSON.stringify({ id: 'x', choices: [], pad: 'x'.repeat(166) });
const json = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);

/** One timer for all paced streams, spread over the ticks of one period. */
const streams = new Set();
setInterval(() => {
  for (const stream of streams) {
    stream.left -= 1;
    if (stream.left > 0) stream.socket.write(token);
    else {
      streams.delete(stream);
      stream.socket.write(last);
    }
  }
}, tickMs);

function answer(socket, mode) {
  if (mode === 'json') socket.write(json);
  else if (mode === 'burst') socket.write(burst);
  else {
    socket.write(first);
    if (mode === 'paced') streams.add({ socket, left: events - 1 });
  }
}

function serve(socket) {
  let pending = '';
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    for (const stream of streams) if (stream.socket === socket) streams.delete(stream);
  });
  socket.on('data', (data) => {
    pending += data.toString('latin1');
    for (;;) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const headers = pending.slice(0, end).toLowerCase();
      const length = Number(/\r\ncontent-length: *(\d+)/.exec(headers)?.[1] ?? 0);
      if (pending.length < end + 4 + length) return;
      pending = pending.slice(end + 4 + length);
      answer(socket, /\r\nx-mode: *(\w+)/.exec(headers)?.[1] ?? 'json');
    }
  });
}

const servers = await Promise.all(
  Array.from(
    { length: ports },
    () =>
      new Promise((resolve) => {
        const server = createServer(serve).listen(0, '127.0.0.1', () => resolve(server));
      }),
  ),
);
console.log(JSON.stringify({ ports: servers.map((server) => server.address().port) }));
