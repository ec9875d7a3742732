/** One watcher per configured agent address, and the look for silence over all of them. */
import { isDeepStrictEqual } from 'node:util';
import { NodeServiceClient } from '../rpc/node-service-client.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { AgentWatcher, type AgentAddress, type AgentWatcherOptions } from './agent-watcher.js';
import type { ClusterMetrics } from './cluster-metrics.js';
import type { EndpointRegistry } from './endpoint-registry.js';
import { NodeClaims } from './node-claims.js';
import type { SharedWork } from './shared-work.js';

export interface WatchAgentsOptions {
  silentAfterMs: number;
  registry: EndpointRegistry;
  clock: Clock;
  logger: Logger;
  metrics: ClusterMetrics;
  work?: SharedWork;
  /** Replaced by tests. */
  connect?: AgentWatcherOptions['connect'];
}

/** How often silence is looked for: the marking is late by this much at most. */
const silenceCheckMs = 250;

export class AgentWatchers {
  readonly #options: WatchAgentsOptions;
  readonly #claims = new NodeClaims();
  readonly #ticker: Timer;
  #watchers: AgentWatcher[] = [];
  #lastCheckMs: number;

  constructor(options: WatchAgentsOptions) {
    this.#options = options;
    this.#lastCheckMs = options.clock.monotonicMs();
    this.#ticker = options.clock.every(silenceCheckMs, () => this.#checkSilence());
  }

  /** In the order of the configuration. */
  get all(): readonly AgentWatcher[] {
    return this.#watchers;
  }

  /** Watches these and no others; those that stay are not disturbed. The first of two equal addresses counts. */
  watch(agents: readonly AgentAddress[]): void {
    const wanted = agents.filter(
      (agent, i) => agents.findIndex(({ address }) => address === agent.address) === i,
    );
    const kept = new Map(this.#watchers.map((watcher) => [watcher.address, watcher]));
    for (const watcher of this.#watchers) {
      const still = wanted.find(({ address }) => address === watcher.address);
      if (still && isDeepStrictEqual(still, watcher.agent)) continue;
      kept.delete(watcher.address);
      watcher.close();
    }
    this.#watchers = wanted.map((agent) => kept.get(agent.address) ?? this.#create(agent));
    for (const watcher of this.#watchers) if (!kept.has(watcher.address)) watcher.start();
  }

  close(): void {
    this.#ticker.cancel();
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  /** After a pause of this process the agents' messages wait in the sockets: they are read first, and judged after. */
  #checkSilence(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const paused = nowMs - this.#lastCheckMs > 4 * silenceCheckMs;
    this.#lastCheckMs = nowMs;
    if (!paused) for (const watcher of this.#watchers) watcher.checkSilence();
  }

  #create(agent: AgentAddress): AgentWatcher {
    const { connect = connectToAgent, ...options } = this.#options;
    return new AgentWatcher({ ...options, agent, connect, claims: this.#claims });
  }
}

function connectToAgent({ address, tls }: AgentAddress): NodeServiceClient {
  return new NodeServiceClient({ address, ...(tls ? { tls } : {}) });
}
