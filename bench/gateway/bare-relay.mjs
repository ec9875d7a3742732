// The least that Node can do for a stream: a socket on either side, and each read written to the other. Nothing is parsed, placed or
// counted. What the gateway takes beyond it is the gateway's own. Argument: ports. Prints its port.
import { connect, createServer } from 'node:net';

const ports = process.argv[2].split(',').map(Number);
const buffer = Buffer.allocUnsafeSlow(64 * 1024);
let connections = 0;

const server = createServer({ noDelay: true }, (client) => {
  const port = ports[connections++ % ports.length];
  const onread = {
    buffer,
    callback: (length) => {
      client.write(buffer.toString('latin1', 0, length), 'latin1');
      return true;
    },
  };
  const upstream = connect({ host: '127.0.0.1', port, noDelay: true, onread });
  client.on('data', (data) => upstream.write(data));
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ])
    from.on('error', () => to.destroy()).on('close', () => to.destroy());
}).listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
