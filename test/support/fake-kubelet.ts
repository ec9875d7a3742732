/** The PodResources API of a kubelet on a unix socket of its own; it says what a test tells it to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { PodResources } from '../../src/rpc/generated/v1/PodResources.js';
import type { PodResourcesListerHandlers } from '../../src/rpc/generated/v1/PodResourcesLister.js';
import { loadPodResourcesProto } from '../../src/rpc/pod-resources-package.js';

export class FakeKubelet {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infernode-kubelet-'));
  readonly socket = join(this.#directory, 'kubelet.sock');
  readonly #server = new Server();
  podResources: PodResources[] = [];
  /** Answers with an error while set, as a kubelet whose feature is off. */
  failing = false;
  asked = 0;

  async start(): Promise<this> {
    const handlers: PodResourcesListerHandlers = {
      List: (_call, callback) => {
        this.asked += 1;
        if (this.failing) callback({ code: status.UNIMPLEMENTED, details: 'the feature is off' });
        else callback(null, { podResources: this.podResources });
      },
    };
    this.#server.addService(loadPodResourcesProto().PodResourcesLister.service, { ...handlers });
    await new Promise<void>((resolve, reject) =>
      this.#server.bindAsync(`unix://${this.socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    return this;
  }

  /** The pod has these devices, in one container. */
  give(namespace: string, name: string, deviceIds: string[], resourceName = 'nvidia.com/gpu'): void {
    this.podResources.push({
      namespace,
      name,
      containers: [{ name: 'vllm', devices: [{ resourceName, deviceIds }] }],
    });
  }

  stop(): void {
    this.#server.forceShutdown();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
