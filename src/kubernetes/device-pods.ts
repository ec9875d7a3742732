/**
 * Which pod has which GPU, as the kubelet tells on its own socket. Asked again and again, for it has no watch; after a minute without an answer
 * nothing is known, because a stale name would accuse the wrong pod. Devices that are shared by time have several pods. A MIG
 * instance stands under the UUID that the device plugin gives it.
 */
import { credentials } from '@grpc/grpc-js';
import { messageOf } from '../domain/error-codes.js';
import type { ListPodResourcesResponse__Output } from '../rpc/generated/v1/ListPodResourcesResponse.js';
import { loadPodResourcesProto } from '../rpc/pod-resources-package.js';
import { unaryCall } from '../rpc/unary-call.js';
import type { Clock, Timer } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { KubernetesMetrics } from './kubernetes-metrics.js';

export interface DevicePod {
  namespace: string;
  pod: string;
  container: string;
}

export interface DevicePodsOptions {
  /** Path of the kubelet's socket. */
  socket: string;
  clock: Clock;
  logger: Logger;
  metrics: KubernetesMetrics;
  /** Called when something has changed. */
  onChange: () => void;
}

const intervalMs = 10_000;
const deadlineMs = 5_000;
const forgetAfterMs = 60_000;
/** The kubelet's own limit for its clients. */
const maxMessageBytes = 16 * 1024 * 1024;
/** Shares of devices on one node; beyond it the kubelet tells nonsense. */
const maxShares = 4096;

export class DevicePods {
  readonly #options: DevicePodsOptions;
  readonly #stub;
  readonly #timer: Timer;
  #pods: ReadonlyMap<string, readonly DevicePod[]> = new Map();
  #heardAtMs: number;
  #failing = false;
  #asking = false;
  #closed = false;

  constructor(options: DevicePodsOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonicMs();
    this.#stub = new (loadPodResourcesProto().PodResourcesLister)(
      `unix://${options.socket}`,
      credentials.createInsecure(),
      { 'grpc.max_receive_message_length': maxMessageBytes, 'grpc.enable_http_proxy': 0 },
    );
    this.#timer = options.clock.every(intervalMs, () => void this.#ask());
    void this.#ask();
  }

  /** By UUID. */
  get all(): ReadonlyMap<string, readonly DevicePod[]> {
    return this.#pods;
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    this.#stub.close();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { clock, logger, metrics, socket } = this.#options;
    try {
      const answer = await unaryCall<ListPodResourcesResponse__Output>(socket, deadlineMs, (options, done) =>
        this.#stub.list({}, options, done),
      );
      this.#heardAtMs = clock.monotonicMs();
      this.#failing = false;
      this.#keep(podsIn(answer));
    } catch (error) {
      if (this.#closed) return;
      metrics.failed('pod-resources');
      if (!this.#failing)
        logger.warn({ reason: messageOf(error) }, 'the kubelet does not say which pod has which GPU');
      this.#failing = true;
      if (clock.monotonicMs() - this.#heardAtMs >= forgetAfterMs) this.#keep(new Map());
    } finally {
      this.#asking = false;
    }
  }

  #keep(pods: ReadonlyMap<string, readonly DevicePod[]>): void {
    if (this.#closed || JSON.stringify([...pods]) === JSON.stringify([...this.#pods])) return;
    this.#pods = pods;
    this.#options.metrics.devicePods(pods);
    this.#options.onChange();
  }
}

/** `nvidia.com/gpu`, `nvidia.com/gpu.shared`, `nvidia.com/mig-1g.10gb`; a share of a device ends in `::N`. */
function podsIn({ podResources }: ListPodResourcesResponse__Output): Map<string, DevicePod[]> {
  const shares = podResources.flatMap(({ name: pod, namespace, containers }) =>
    containers.flatMap(({ name: container, devices }) =>
      devices
        .filter(({ resourceName }) => resourceName.startsWith('nvidia.com/'))
        .flatMap(({ deviceIds }) => deviceIds)
        .map((id) => ({ uuid: id.replace(/::\d+$/, ''), holder: { namespace, pod, container } })),
    ),
  );
  const pods = new Map<string, DevicePod[]>();
  for (const { uuid, holder } of shares.slice(0, maxShares)) {
    const known = pods.get(uuid) ?? [];
    if (!known.some((one) => describePod(one) === describePod(holder))) pods.set(uuid, [...known, holder]);
  }
  return pods;
}

export const describePod = ({ namespace, pod, container }: DevicePod): string =>
  `${namespace}/${pod} (${container})`;
