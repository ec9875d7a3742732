import { readyEndpoint } from '../ready-endpoint.mjs';

/** A ready engine behind a port of this machine, as the gateway knows it. */
export function benchEndpoint(port) {
  return readyEndpoint({ id: `node/${port}`, engineId: port, url: `http://127.0.0.1:${port}` });
}
