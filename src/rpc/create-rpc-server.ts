/**
 * A gRPC listener as the roots want it: given services, plus grpc.health.v1 and reflection, closed by default (see
 * `credentials.ts`). Both processes build theirs here, so that limits, keepalive and authentication are the same.
 */
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import { formatAddress, type ListenAddress } from '../config/listen-address.js';
import type { TlsConfig } from '../config/tls-config.js';
import { InfernodeError, messageOf } from '../domain/error-codes.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Service } from '../runtime/service.js';
import { authorizeCalls } from './authorize-calls.js';
import { serverCredentials } from './credentials.js';
import { addLazyReflection } from './lazy-reflection.js';
import type { RpcMetrics } from './rpc-metrics.js';

export interface RpcServerOptions {
  listen: ListenAddress;
  tls?: TlsConfig | undefined;
  services: { definition: ServiceDefinition; handlers: UntypedServiceImplementation }[];
  /** Everything that reflection tells about. */
  packages: PackageDefinition[];
  clock: Clock;
  logger: Logger;
  metrics?: RpcMetrics;
  /** A connection without a call ends after so long, ms. Five minutes when not given; clients connect again at their next call. */
  idleMs?: number;
}

export interface RpcServer extends Service {
  /** Valid after `start()`; holds the real port where 0 was asked for. */
  readonly address: ListenAddress;
  /** Full service name (`infernode.node.v1.NodeService`), or `''` for the whole process. */
  setServing(service: string, serving: boolean): void;
}

const channelOptions = {
  // The largest message is a snapshot: some kilobytes per device and engine.
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
  'grpc.max_send_message_length': 16 * 1024 * 1024,
  // A peer that vanished without a word is noticed here, or its stream would stay for ever.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_concurrent_streams': 1024,
  // Two agents on one port by mistake must be an error, not a coin toss per connection.
  'grpc.so_reuseport': 0,
};

/** Far above the pause between calls of anybody who polls: who keeps more connections than calls must not keep them for ever. */
const defaultIdleMs = 5 * 60_000;

/** What may take how long when calls are still running at the end. */
const shutdownGraceMs = 2_000;

export function createRpcServer(options: RpcServerOptions): RpcServer {
  return new GrpcServer(options);
}

class GrpcServer implements RpcServer {
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #options: RpcServerOptions;
  #address: ListenAddress;
  #closing: Promise<void> | null = null;
  #unwatch: (() => void) | undefined;

  constructor(options: RpcServerOptions) {
    const { tls, services, packages, idleMs = defaultIdleMs } = options;
    this.#options = options;
    this.#address = options.listen;
    const interceptors = [authorizeCalls(tls, options.logger)];
    this.#server = new Server({ ...channelOptions, 'grpc.max_connection_idle_ms': idleMs, interceptors });
    for (const { definition, handlers } of services) this.#server.addService(definition, handlers);
    this.#health = new HealthImplementation({ '': 'NOT_SERVING' });
    this.#health.addToServer(this.#server);
    const reflected = Object.assign({}, ...packages, loadSync(healthProtoPath)) as PackageDefinition;
    addLazyReflection(this.#server, reflected);
  }

  get address(): ListenAddress {
    return this.#address;
  }

  setServing(service: string, serving: boolean): void {
    this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
  }

  start(): Promise<void> {
    const { listen, tls, logger, metrics } = this.#options;
    const { credentials, files } = serverCredentials(tls);
    metrics?.observe(() => files?.expiresAtMs ?? null);
    this.#unwatch = files?.watch(() =>
      files.problem === null
        ? logger.info({ listener: 'control' }, 'certificate replaced')
        : logger.warn(
            { listener: 'control', reason: files.problem },
            'new certificate not usable, the old one stays',
          ),
    );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(formatAddress(listen), credentials, (error, port) => {
        if (error) {
          reject(
            new InfernodeError(
              'config-invalid',
              `expected to listen on ${formatAddress(listen)}: ${messageOf(error)}`,
              { cause: error },
            ),
          );
          return;
        }
        this.#address = { host: listen.host, port };
        logger.info({ address: formatAddress(this.#address), tls: tls !== undefined }, 'gRPC listens');
        resolve();
      });
    });
  }

  /** Lets running calls end for a moment; streams must have been ended by their owner before. */
  close(): Promise<void> {
    this.#unwatch?.();
    this.#closing ??= new Promise((resolve) => {
      const timer = this.#options.clock.after(shutdownGraceMs, () => this.#server.forceShutdown());
      this.#server.tryShutdown(() => {
        timer.cancel();
        resolve();
      });
    });
    return this.#closing;
  }

  destroy(): void {
    this.#unwatch?.();
    this.#server.forceShutdown();
    this.#closing ??= Promise.resolve();
  }
}
