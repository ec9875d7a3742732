import { z } from 'zod';

/** How to reach the Kubernetes API; inside a pod nothing needs to be set. */
export const kubeAccessSchema = z.strictObject({
  /** `https://HOST:PORT`; default: the pod's own service account and cluster. */
  server: z.url({ protocol: /^https?$/ }).optional(),
  tokenFile: z.string().min(1).optional(),
  caFile: z.string().min(1).optional(),
});
export type KubeAccessConfig = z.infer<typeof kubeAccessSchema>;

const objectName = z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'expected a Kubernetes object name');

/** Agents by the EndpointSlices of their headless Service. */
export const endpointSliceSchema = kubeAccessSchema.extend({
  namespace: objectName.default('infernode'),
  service: objectName.default('infernode-agent'),
  /** Name of the control port in the Service. */
  port: objectName.default('control'),
});

/** What the agent does with its own Node object. */
export const agentKubernetesSchema = kubeAccessSchema.extend({
  /** Default: `node.name`. */
  nodeName: objectName.optional(),
  /** A node that is cordoned in Kubernetes takes no new requests here either. */
  honourCordon: z.boolean().default(true),
  /** Keeps the condition `GPUUnhealthy` on the Node; the node is never cordoned by it. */
  nodeCondition: z.boolean().default(true),
  /** Asks the kubelet which pod has which GPU; its socket must be mounted. */
  podResources: z
    .strictObject({
      socket: z.string().startsWith('/').default('/var/lib/kubelet/pod-resources/kubelet.sock'),
    })
    .optional(),
  /** Engines that pods of this node run, by label; attached as if they were configured. */
  enginePods: z
    .strictObject({
      namespace: objectName,
      /** `app.kubernetes.io/name=vllm`; several conditions with commas. */
      labelSelector: z.string().min(1).max(1000),
      port: z.int().min(1).max(65_535).default(8000),
    })
    .optional(),
});
