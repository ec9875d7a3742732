import { z } from 'zod';
import { autoscalingSchema, redisUrlSchema } from './autoscaling-config.js';
import { endpointSliceSchema } from './kubernetes-config.js';
import { strategyNames } from '../domain/placement-strategy.js';
import { defaultPriorities, priorities } from '../domain/priority.js';
import { engineNetwork } from './engine-networks.js';
import { isLoopback, listenAddress, parseListenAddress } from './listen-address.js';
import { clientTlsSchema, refuseOpenListeners, tlsSchema } from './tls-config.js';

const modelSchema = z.strictObject({
  strategy: z.enum(strategyNames).default('chwbl'),
  aliases: z.array(z.string().min(1)).default([]),
  /** Fewer that can take requests are too few: said, and requests wait longer. Absent: one, unless all rest on purpose. */
  minReadyEngines: z.int().min(0).max(10_000).optional(),
  slo: z
    .strictObject({
      ttftMs: z.number().positive().default(500),
      /** Gap between tokens; 100 ms are ten tokens a second, somewhat faster than people read. */
      itlMs: z.number().positive().default(100),
    })
    .prefault({}),
  /** An endpoint that breaks it for five minutes has half its weight. `ttftP99Ms` depends on prompts: null asks nothing. */
  healthRule: z
    .strictObject({
      errorRatio: z.number().min(0).max(1).default(0.01),
      ttftP99Ms: z.number().positive().nullable().default(null),
    })
    .prefault({}),
});
export type ModelConfig = z.infer<typeof modelSchema>;
/** What holds for a model that is served and not configured. */
export const defaultModelConfig: ModelConfig = modelSchema.parse({});

/** Without a port gRPC would try 443 for ever, and say only that nobody answers. */
const agentAddress = z
  .string()
  .refine((text) => (parseListenAddress(text)?.port ?? 0) > 0, 'expected HOST:PORT, such as 10.0.0.5:9470');

const priorityClass = (name: keyof typeof defaultPriorities) =>
  z
    .strictObject({
      share: z.number().min(0).max(1).default(defaultPriorities[name].share),
      places: z.int().min(0).default(defaultPriorities[name].places),
    })
    .prefault({});

const degradationStep = z
  .strictObject({
    name: z.string().regex(/^[\w-]{1,40}$/, 'expected 1 to 40 letters, digits, _ or -'),
    queueAbove: z.int().min(0),
    queueBelow: z.int().min(1),
    holdMs: z.int().min(0).default(10_000),
    maxTokens: z.int().min(1).optional(),
    shed: z.enum(priorities).optional(),
  })
  .refine(({ queueAbove, queueBelow }) => queueBelow <= queueAbove, {
    path: ['queueBelow'],
    message: 'expected at most queueAbove, or the step would be left while it is entered',
  });
/** Queue > 100: the most tokens of new requests go from 2,048 to 512, and low priority is rejected. */
const defaultSteps = [
  { name: 'short-answers', queueAbove: 100, queueBelow: 50, maxTokens: 512 },
  { name: 'shed-low', queueAbove: 200, queueBelow: 100, shed: 'low' as const },
];

/** Of `placement/placement-constants.ts`, which has their meaning and defaults. All coordinators of a cluster need the same. */
const placementConstants = z
  .strictObject({
    ringCandidates: z.int().min(1).max(64).optional(),
    warmLoadFactor: z.number().min(1.01).max(64).optional(),
    boundFloorRequests: z.number().min(0).max(64).optional(),
    contextWeight: z.number().min(0).max(1).optional(),
    uncachedCost: z.number().min(0).max(64).optional(),
    pressureCost: z.number().min(0).max(64).optional(),
    pressureCostLimit: z.number().min(0).max(64).optional(),
    contextCost: z.number().min(0).max(1).optional(),
    rankCost: z.number().min(0).max(64).optional(),
    pacePriorTokens: z.int().min(1).optional(),
    unseenCostMs: z.number().min(0).max(10_000).optional(),
    assumedTokensPerMs: z.number().min(0.001).max(10_000).optional(),
    sharedPrefixShare: z.number().min(0.01).max(1).optional(),
    shareWindowRequests: z.int().min(64).max(1_048_576).optional(),
    keyDepthBlocks: z.int().min(1).max(4096).optional(),
    defaultCapacityBlocks: z.int().min(1).optional(),
    memoryEntries: z.int().min(1024).max(16_777_216).optional(),
    degradedWeight: z.number().min(0.01).max(1).optional(),
  })
  .prefault({});

export const coordinatorSchema = z
  .strictObject({
    listen: z
      .strictObject({
        gateway: listenAddress.prefault('127.0.0.1:8080'),
        control: listenAddress.prefault('127.0.0.1:9480'),
        probe: listenAddress.prefault('127.0.0.1:9481'),
        metrics: listenAddress.prefault('127.0.0.1:9482'),
        metricsOpen: z.boolean().default(false),
      })
      .prefault({}),
    tls: tlsSchema.optional(),
    agents: z.array(z.strictObject({ address: agentAddress, tls: clientTlsSchema.optional() })).default([]),
    /** Where engines may be beside the host of their agent. Empty: nowhere else. */
    engineNetworks: z.array(engineNetwork).max(256).default([]),
    /** Beside `agents`. Certificates hold for every agent found. */
    discovery: z
      .strictObject({ endpointSlice: endpointSliceSchema.extend({ tls: clientTlsSchema.optional() }) })
      .optional(),
    /** A node that has not spoken for this long is `unknown`: still tried, with a short connect time-out. */
    silentAfterMs: z.int().min(500).default(3500),
    models: z.record(z.string(), modelSchema).default({}),
    placement: z
      .strictObject({
        hashSeed: z.string().default('infernode'),
        loadFactor: z.number().min(1.01).max(16).default(1.25),
        constants: placementConstants,
        /** Everything that placements are told and answer, from the start until the size is reached; for replays. */
        log: z
          .strictObject({
            file: z.string().min(1),
            maxBytes: z
              .int()
              .min(1024)
              .default(256 * 1024 * 1024),
          })
          .optional(),
      })
      .prefault({}),
    gateway: z
      .strictObject({
        /** Say in response headers why a request was placed where it was; `x-infernode-endpoint` and its like on loopback anyway. */
        explainHeaders: z.boolean().default(false),
        /** Processes of the gateway; more than one only where one core is not enough. */
        workers: z.int().min(1).max(64).default(1),
        /** Let events of streams in which nothing has to be read pass in native code. */
        nativeRelay: z.boolean().default(true),
        limits: z
          .strictObject({
            maxBodyBytes: z
              .int()
              .min(1024)
              .default(16 * 1024 * 1024),
            maxQueuedRequests: z.int().min(0).default(1024),
            queueTimeoutMs: z.int().min(0).default(5000),
            firstByteTimeoutMs: z
              .int()
              .min(0)
              .default(10 * 60_000),
            connectTimeoutMs: z.int().min(10).default(2000),
            drainTimeoutMs: z.int().min(0).default(30_000),
            wakeTimeoutMs: z.int().min(0).default(120_000),
            maxHeldRequests: z.int().min(0).default(256),
            maxConnections: z.int().min(1).default(16_384),
            priorities: z
              .strictObject({
                critical: priorityClass('critical'),
                high: priorityClass('high'),
                medium: priorityClass('medium'),
                low: priorityClass('low'),
              })
              .prefault({}),
          })
          .prefault({}),
        degradation: z
          .strictObject({
            steps: z.array(degradationStep).max(16).prefault(defaultSteps),
            /** A restart takes 30 to 90 s; whoever waits for all of it would rather be told. */
            fewEngines: z
              .strictObject({
                queueTimeoutMs: z.int().min(0).default(30_000),
                holdMs: z.int().min(0).default(30_000),
              })
              .prefault({}),
          })
          .prefault({}),
        retry: z
          .strictObject({
            maxAttempts: z.int().min(1).max(16).default(4),
            baseMs: z.int().min(0).default(100),
            capMs: z.int().min(0).default(5000),
            jitterRatio: z.number().min(0).max(1).default(0.1),
            budgetRatio: z.number().min(0).max(1).default(0.1),
          })
          .prefault({}),
        keys: z
          .strictObject({ file: z.string().min(1).optional(), sharedStore: z.boolean().optional() })
          .refine(({ file, sharedStore }) => (file !== undefined) !== (sharedStore === true), {
            message: 'expected either file or sharedStore: true',
          })
          .optional(),
        /** Valkey or Redis: limits, and with `keys.sharedStore` keys, that several coordinators share. */
        sharedStore: z
          .strictObject({
            url: redisUrlSchema,
            prefix: z.string().max(64).default('infernode:'),
            timeoutMs: z.int().min(1).default(100),
            whenDown: z.enum(['local', 'refuse']).default('local'),
          })
          .optional(),
      })
      .prefault({}),
    autoscaling: autoscalingSchema,
  })
  .superRefine((config, context) => {
    refuseOpenListeners(config, context);
    if (config.gateway.keys?.sharedStore === true && config.gateway.sharedStore === undefined)
      context.addIssue({
        code: 'custom',
        path: ['gateway', 'keys', 'sharedStore'],
        message: 'needs gateway.sharedStore.url',
      });
    if (
      !isLoopback(config.listen.gateway.host) &&
      !(config.tls && (config.gateway.keys || config.tls.clientCa))
    )
      context.addIssue({
        code: 'custom',
        path: ['listen', 'gateway'],
        message:
          'a non-loopback address needs tls and gateway.keys.file (or tls.clientCa); or bind 127.0.0.1 behind your own TLS proxy',
      });
    config.agents.forEach(({ address }, index) => {
      if (config.agents.findIndex((agent) => agent.address === address) !== index)
        context.addIssue({
          code: 'custom',
          path: ['agents', index, 'address'],
          message: 'already listed; list each agent once',
        });
    });
    const owners = new Map<string, string>(Object.keys(config.models).map((model) => [model, model]));
    for (const [model, { aliases }] of Object.entries(config.models))
      for (const alias of aliases) {
        const owner = owners.get(alias);
        if (owner !== undefined && owner !== model)
          context.addIssue({
            code: 'custom',
            path: ['models', model, 'aliases'],
            message: `alias "${alias}" already belongs to "${owner}"; a name leads to one model`,
          });
        owners.set(alias, model);
      }
  });
export type CoordinatorConfig = z.infer<typeof coordinatorSchema>;
