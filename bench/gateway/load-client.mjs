// The client of the gateway bench: raw sockets, keep-alive, one request at a time per connection; closed loop, or at a
// given rate. Prints requests, errors and latencies (ms) of the measured window.
import { connect } from 'node:net';

const {
  port,
  mode,
  connections,
  seconds,
  warmupSeconds = 1,
  rate = 0,
  hold = false,
} = JSON.parse(process.argv[2]);

const prompt = 'You are a helpful assistant that answers in few words. '.repeat(20);
function requestBytes(session) {
  const body = JSON.stringify({
    model: 'bench',
    stream: mode !== 'json',
    messages: [
      { role: 'system', content: prompt },
      { role: 'user', content: `Question of session ${session}: what is a token?` },
    ],
    max_tokens: 64,
  });
  return Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-mode: ${mode}\r\n` +
      `x-session-id: s-${session}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

const result = { requests: 0, errors: 0 };
const latencies = [];
const firstBytes = [];
let measuring = false;
let stopping = false;
/** Connections without a request, when a rate is given. */
const free = [];
/** Connections whose answer has begun and that are still there. */
const begun = new Set();

function open(session) {
  const bytes = requestBytes(session);
  const socket = connect(port, '127.0.0.1');
  const state = { socket, bytes, startedMs: 0, firstMs: 0, tail: Buffer.alloc(0), left: -1, send };
  function send(atMs = performance.now()) {
    state.startedMs = atMs;
    state.firstMs = 0;
    state.left = -1;
    state.tail = Buffer.alloc(0);
    socket.write(bytes);
  }
  function finish(ok) {
    if (measuring) {
      if (ok) result.requests += 1;
      else result.errors += 1;
      latencies.push(performance.now() - state.startedMs);
      firstBytes.push(state.firstMs - state.startedMs);
    }
    if (stopping || hold) return;
    if (rate > 0) free.push(state);
    else send();
  }
  socket.setNoDelay(true);
  socket.on('connect', () => (rate > 0 ? free.push(state) : send()));
  socket.on('error', () => (result.errors += stopping ? 0 : 1));
  socket.on('close', () => {
    begun.delete(state);
    if (!stopping) setTimeout(() => open(session), 50);
  });
  socket.on('data', (data) => {
    if (state.firstMs === 0) {
      state.firstMs = performance.now();
      begun.add(state);
      if (hold && measuring) firstBytes.push(state.firstMs - state.startedMs);
      const text = data.toString('latin1');
      state.ok = text.startsWith('HTTP/1.1 200');
      const length = /\r\ncontent-length: *(\d+)/i.exec(text);
      if (length) {
        state.left = Number(length[1]) - (data.length - text.indexOf('\r\n\r\n') - 4);
        if (state.left <= 0) finish(state.ok);
        return;
      }
    } else if (state.left > 0) {
      state.left -= data.length;
      if (state.left <= 0) finish(state.ok);
      return;
    }
    state.tail = data.length >= 5 ? data.subarray(-5) : Buffer.concat([state.tail, data]).subarray(-5);
    if (state.tail.equals(terminator)) finish(state.ok);
  });
}
const terminator = Buffer.from('0\r\n\r\n');

if (rate > 0) {
  const startedMs = performance.now();
  let sent = 0;
  setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    for (; sent < due; sent++) {
      const state = free.shift();
      if (state) state.send();
    }
  }, 1);
}
// Streams to be held come at 500 a second: faster than the upstream accepts, connections would time out instead of opening.
for (let i = 0; i < connections; i++) setTimeout(() => open(i), hold ? 2 * i : 0);

const quantile = (values, q) => values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
setTimeout(() => {
  measuring = true;
  process.send?.('measuring');
}, warmupSeconds * 1000);
setTimeout(
  () => {
    measuring = false;
    stopping = true;
    latencies.sort((a, b) => a - b);
    firstBytes.sort((a, b) => a - b);
    console.log(
      JSON.stringify({
        ...result,
        open: begun.size,
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
        firstByteP50Ms: quantile(firstBytes, 0.5),
      }),
    );
    process.exit(0);
  },
  (warmupSeconds + seconds) * 1000,
);
