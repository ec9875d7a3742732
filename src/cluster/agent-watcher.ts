/**
 * The watch over one agent: one `WatchNode` stream at a time, begun anew with a growing delay whenever it breaks, misses
 * something or falls silent. What it hears goes to the endpoint registry in the same turn.
 *
 * A broken stream is no fault of the node: its endpoints stay as they are until the agent has been silent for the limit;
 * then they are marked, and still tried. Every attempt has a connection of its own, so that this back-off is the only one,
 * a vanished host is not waited for, and rotated certificates are read.
 */
import type { ClientTlsConfig } from '../config/tls-config.js';
import type { ClusterNode, NodeWatchState } from '../domain/cluster-state.js';
import { messageOf, type InfernodeError } from '../domain/error-codes.js';
import type { NodeState, NodeStateUpdate } from '../domain/node-state.js';
import type { NodeServiceClient } from '../rpc/node-service-client.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import { applyNodeState } from './apply-node-state.js';
import type { ClusterMetrics, ReconnectReason } from './cluster-metrics.js';
import type { EndpointRegistry } from './endpoint-registry.js';
import { judgeUrls, type UrlJudge } from './engine-address.js';
import type { ClaimHolder, NodeClaims } from './node-claims.js';
import type { NodeView } from './node-endpoints.js';
import type { SharedWork } from './shared-work.js';

export interface AgentAddress {
  /** `HOST:PORT`. */
  address: string;
  tls?: ClientTlsConfig | undefined;
  /** Where its engines may be beside its own host. */
  engineNetworks?: readonly string[] | undefined;
}

export interface AgentWatcherOptions {
  agent: AgentAddress;
  silentAfterMs: number;
  connect: (agent: AgentAddress) => Pick<NodeServiceClient, 'watchNode' | 'reportWork' | 'close'>;
  /** Where work in flight is shared with other coordinators; absent where this one is alone. */
  work?: SharedWork;
  claims: NodeClaims;
  registry: EndpointRegistry;
  clock: Clock;
  logger: Logger;
  metrics: ClusterMetrics;
}

/** An agent that restarts is back within a second or two; a longer delay would only be felt. */
const reconnect = { baseMs: 100, capMs: 2_000, jitterRatio: 0.2 };
/** A stream that lasted this long was a good one: the next delay starts small again. */
const steadyMs = 5_000;

export class AgentWatcher implements ClaimHolder {
  readonly #options: AgentWatcherOptions;
  readonly #logger: Logger;
  readonly #judgeUrl: UrlJudge;
  #stream: Stream | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #state: NodeState | null = null;
  #agentVersion = '';
  #watch: NodeWatchState = 'connecting';
  #reason = 'not reached yet';
  #heardAtMs: number | null = null;
  #markedSilent = false;
  #closed = false;

  constructor(options: AgentWatcherOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ agent: options.agent.address });
    const { address, engineNetworks = [] } = options.agent;
    this.#judgeUrl = judgeUrls(address, engineNetworks);
  }

  get address(): string {
    return this.#options.agent.address;
  }

  get agent(): AgentAddress {
    return this.#options.agent;
  }

  get connected(): boolean {
    return this.#stream?.accepted ?? false;
  }

  /** Ms; infinite when the agent never spoke. */
  get silentForMs(): number {
    return this.#heardAtMs === null ? Infinity : this.#options.clock.monotonicMs() - this.#heardAtMs;
  }

  /** The first attempt has come to something, good or bad. */
  get tried(): boolean {
    return this.#state !== null || this.#failures > 0;
  }

  describe(): ClusterNode {
    const silentForMs = this.silentForMs;
    return {
      address: this.address,
      watch: this.#watch,
      reason: this.#reason,
      silentForMs: Number.isFinite(silentForMs) ? silentForMs : null,
      agentVersion: this.#agentVersion,
      state: this.#state,
    };
  }

  start(): void {
    if (!this.#closed) this.#connect();
  }

  /** Forgets the node: its endpoints leave. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#dropStream();
    this.#forgetNode();
  }

  /** Called now and then by the owner; silence is the one thing that no message announces. */
  checkSilence(): void {
    const { clock, silentAfterMs } = this.#options;
    if (this.#state && !this.#markedSilent && this.silentForMs > silentAfterMs) this.#markSilent();
    const stream = this.#stream;
    if (!stream) return;
    const quietForMs = clock.monotonicMs() - Math.max(stream.startedAtMs, stream.heardAtMs);
    if (quietForMs > silentAfterMs) this.#reconnect('silent', `silent for ${Math.round(quietForMs)} ms`);
  }

  loseClaim(reason: string): void {
    if (this.#state) this.#options.work?.forget(this.#state.node);
    this.#state = null;
    this.#markedSilent = false;
    this.#reconnect('refused', reason);
  }

  #connect(): void {
    const { agent, connect, clock, work } = this.#options;
    const nowMs = clock.monotonicMs();
    const stream: Stream = {
      startedAtMs: nowMs,
      heardAtMs: nowMs,
      accepted: false,
      client: null,
      end: () => undefined,
    };
    this.#stream = stream;
    try {
      const client = connect(agent);
      stream.client = client;
      stream.end = () => client.close();
      const watch = client.watchNode(
        {
          onUpdate: (update) => {
            if (this.#stream === stream) this.#guard(() => this.#handle(update, stream));
          },
          onEnd: (error) => {
            if (this.#stream === stream) this.#ended(error);
          },
        },
        work?.epoch,
      );
      stream.end = () => {
        stream.endReport?.();
        watch.cancel();
        client.close();
      };
    } catch (error) {
      // Certificates that cannot be read, for instance: the next attempt reads them again.
      if (this.#stream === stream) this.#reconnect('unreachable', messageOf(error));
    }
  }

  #ended(error: InfernodeError | null): void {
    this.#reconnect(error ? 'unreachable' : 'ended', error ? messageOf(error) : 'the agent ended the stream');
  }

  #handle(update: NodeStateUpdate, stream: Stream): void {
    const { clock, metrics } = this.#options;
    const startedMs = clock.monotonicMs();
    metrics.updates.inc({ kind: update.kind });
    stream.heardAtMs = startedMs;
    if (update.kind === 'work') {
      if (stream.accepted && this.#state) this.#options.work?.apply(this.#state.node, update.update);
      return;
    }
    if (update.kind === 'snapshot' && !this.#accept(update, stream)) return;
    const { state, changed, missed } = applyNodeState(stream.accepted ? this.#state : null, update);
    if (missed !== null) {
      this.#reconnect('gap', missed);
      return;
    }
    this.#state = state;
    this.#heardAtMs = startedMs;
    this.#tell('watching', '');
    if (state && (changed || this.#markedSilent)) this.#options.registry.applyNode(state, this.#view(false));
    this.#markedSilent = false;
    if (update.kind === 'snapshot' && stream.client)
      stream.endReport ??= this.#options.work?.begin(update.state.node, stream.client);
    metrics.updateSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
  }

  /** The name must be free, or ours. */
  #accept(update: Extract<NodeStateUpdate, { kind: 'snapshot' }>, stream: Stream): boolean {
    const { claims, metrics } = this.#options;
    const { node, machineId, epoch } = update.state;
    if (this.#state && this.#state.node !== node) this.#forgetNode();
    const refusal = claims.claim(node, machineId, this);
    if (refusal !== null) {
      metrics.refused.inc({ reason: 'node-duplicate' });
      this.#reconnect('refused', refusal);
      return false;
    }
    if (this.#state?.epoch !== epoch)
      this.#logger.info({ node, machineId, epoch, version: update.agentVersion }, 'agent speaks');
    stream.accepted = true;
    this.#agentVersion = update.agentVersion;
    return true;
  }

  #markSilent(): void {
    const { registry } = this.#options;
    this.#markedSilent = true;
    this.#tell('silent', `the agent has not spoken for ${Math.round(this.silentForMs)} ms`);
    if (!this.#state) return;
    this.#options.work?.forget(this.#state.node);
    registry.applyNode(this.#state, this.#view(true));
  }

  #view(nodeSilent: boolean): NodeView {
    return { nodeSilent, judgeUrl: this.#judgeUrl };
  }

  /** Ends the stream, says why, and tries again after a delay that grows while streams do not last. */
  #reconnect(reason: ReconnectReason, why: string): void {
    const { clock, metrics } = this.#options;
    const lastedMs = this.#stream ? clock.monotonicMs() - this.#stream.startedAtMs : 0;
    const accepted = this.connected;
    this.#dropStream();
    if (this.#closed) return;
    metrics.reconnects.inc({ reason });
    this.#tell(reason === 'refused' ? 'refused' : this.#markedSilent ? 'silent' : 'connecting', why);
    this.#failures = accepted && lastedMs > steadyMs ? 1 : this.#failures + 1;
    // Who is refused waits the longest: only the other one's end can help it.
    const attempt = reason === 'refused' ? Infinity : this.#failures - 1;
    this.#retry?.cancel();
    this.#retry = clock.after(backoffMs(attempt, reconnect), () => this.#connect());
  }

  #dropStream(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.end();
  }

  #forgetNode(): void {
    const { claims, registry } = this.#options;
    if (!this.#state) return;
    const { node } = this.#state;
    this.#state = null;
    this.#options.work?.forget(node);
    claims.release(node, this);
    registry.removeNode(node);
  }

  /** Logs what is new, once, not at each attempt. */
  #tell(watch: NodeWatchState, reason: string): void {
    if (watch !== this.#watch) {
      const level = watch === 'watching' ? 'info' : 'warn';
      this.#logger[level]({ watch, reason, node: this.#state?.node }, 'agent watch');
    }
    this.#watch = watch;
    this.#reason = reason;
  }

  /** A message that cannot be handled costs its stream, never the process. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#logger.error({ err: error }, 'a message of the agent could not be handled');
      this.#reconnect('gap', messageOf(error));
    }
  }
}

interface Stream {
  startedAtMs: number;
  heardAtMs: number;
  /** A snapshot was taken. */
  accepted: boolean;
  client: Pick<NodeServiceClient, 'reportWork'> | null;
  /** Ends the report of work in flight, once it has begun. */
  endReport?: (() => void) | undefined;
  end: () => void;
}
