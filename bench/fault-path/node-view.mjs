// What is visible from outside, each change with the moment at which it was seen: WatchNode streams of all agents and
// GetCluster of the coordinator, asked again as soon as it has answered.
import { ClusterServiceClient } from '../../dist/rpc/cluster-service-client.js';
import { NodeServiceClient } from '../../dist/rpc/node-service-client.js';

/** Devices and engines of every node, kept up to date; `until` resolves with the moment a condition became true. */
export class NodeView {
  #devices = new Map();
  #engines = new Map();
  #waiters = new Set();
  #stops = [];

  constructor(agents) {
    for (const { node, grpc } of agents) {
      const client = new NodeServiceClient({ address: grpc });
      const watch = client.watchNode({
        onUpdate: (update) => this.#apply(node, update),
        onEnd: (error) => error && process.stderr.write(`bench:fault-path: ${node}: ${error.message}\n`),
      });
      this.#stops.push(() => (watch.cancel(), client.close()));
    }
  }

  device = (uuid) => this.#devices.get(uuid);
  engine = (endpoint) => this.#engines.get(endpoint);

  /** Moment on the monotonic clock, or `null` after the limit. */
  until(condition, limitMs = 60_000) {
    return new Promise((resolve) => {
      const finish = (value) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(value);
      };
      const look = () => condition(this) && finish(performance.now());
      const timer = setTimeout(() => finish(null), limitMs);
      this.#waiters.add(look);
      look();
    });
  }

  close() {
    for (const stop of this.#stops) stop();
  }

  #apply(node, update) {
    if (update.kind === 'heartbeat') return;
    const { devices, engines } = update.kind === 'snapshot' ? update.state : update.delta;
    for (const device of devices) this.#devices.set(device.identity.uuid, device);
    for (const engine of engines) this.#engines.set(`${node}/${engine.id}`, engine);
    for (const look of [...this.#waiters]) look();
  }
}

const pauseMs = 1;

export class CoordinatorView {
  #client;
  /** Time between two answers: how fine the coordinator is seen, ms. */
  gapsMs = [];

  constructor({ grpc }) {
    this.#client = new ClusterServiceClient({ address: grpc });
  }

  /** Moment at which an answer with that eligibility was here, or `null` after the limit. */
  async until(endpoint, eligible, limitMs = 60_000) {
    const endMs = performance.now() + limitMs;
    for (let askedMs = performance.now(); askedMs < endMs;) {
      const { endpoints } = await this.#client.getCluster();
      const nowMs = performance.now();
      this.gapsMs.push(nowMs - askedMs);
      if (endpoints.find(({ id }) => id === endpoint)?.eligible === eligible) return nowMs;
      askedMs = nowMs;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return null;
  }

  close() {
    this.#client.close();
  }
}
