/** `autoscaling` of the coordinator: how each model is scaled, and whether the coordinator acts by itself. */
import { z } from 'zod';
import { kubeAccessSchema } from './kubernetes-config.js';

const ratio = z.number().positive().max(1);
const durationMs = z.int().min(0);

/** How long an owner that has gone silent is believed; also how long nobody acts after it. */
const leaseDurationMs = z.int().min(2000).max(300_000).default(15_000);

/** As `gateway.sharedStore.url`. */
export const redisUrlSchema = z
  .string()
  .regex(/^rediss?:\/\/\S+$/, 'expected redis://HOST:PORT or rediss://HOST:PORT');

/** A condition that must hold for a while; fields that are left out keep those of the preset's rule of that name. */
const ruleSchema = z.strictObject({
  signal: z.enum(['ttftP99Ms', 'gpuUtilizationRatio', 'waiting']).optional(),
  above: z.number().optional(),
  below: z.number().optional(),
  forMs: durationMs.optional(),
  change: z.int().min(-16).max(16).optional(),
  enabled: z.boolean().optional(),
});

/** Fields that are left out are those of `autoscaling/scaling-types.ts`. */
const policyFields = {
  minReplicas: z.int().min(0).max(10_000).optional(),
  maxReplicas: z.int().min(1).max(10_000).optional(),
  sloRatioUp: z.number().positive().optional(),
  sloRatioDown: z.number().positive().optional(),
  backlogTargetSeconds: z.number().positive().optional(),
  queuePerReplica: z.number().positive().optional(),
  kvCacheTarget: ratio.optional(),
  cooldownUpMs: durationMs.optional(),
  cooldownDownMs: durationMs.optional(),
  maxStepUp: z.int().min(1).optional(),
  maxStepDown: z.int().min(1).optional(),
  stepUpShare: z.number().min(0).max(10).optional(),
  stepDownShare: z.number().min(0).max(1).optional(),
  quorum: ratio.optional(),
  staleAfterMs: z.int().min(1000).optional(),
  blastShare: ratio.optional(),
  blastWindowMs: durationMs.optional(),
  blastMaxStepUp: z.int().min(1).optional(),
};

export const scalingPolicySchema = z
  .strictObject({
    /** `signals`: what requests feel. `classic`: with threshold rules on latency, queue and utilization as well. */
    preset: z.enum(['signals', 'classic']).default('signals'),
    ...policyFields,
    rules: z.record(z.string().regex(/^[\w-]{1,40}$/), ruleSchema).default({}),
    /** How long a new replica loads; with it the load of that moment is foreseen. Absent: nothing is. */
    forecast: z.strictObject({ loadTimeMs: z.int().min(1000).default(120_000) }).optional(),
  })
  .refine(({ minReplicas = 1, maxReplicas = 8 }) => minReplicas <= maxReplicas, {
    path: ['minReplicas'],
    message: 'expected at most maxReplicas (8 where it is not set)',
  })
  .refine(({ sloRatioDown = 0.4, sloRatioUp = 0.55 }) => sloRatioDown < sloRatioUp, {
    path: ['sloRatioDown'],
    message:
      'expected less than sloRatioUp (0.55 where it is not set), or replicas would come and go at one threshold',
  });
export type ScalingPolicyConfig = z.infer<typeof scalingPolicySchema>;

const gpuTypeSchema = z.strictObject({
  dollarsPerHour: z.number().positive(),
  /** Measured, for this model. */
  requestsPerSecond: z.number().positive(),
  spotDollarsPerHour: z.number().positive().optional(),
  available: z.int().min(0).optional(),
});

export const autoscalingSchema = z
  .strictObject({
    intervalMs: z.int().min(1000).max(60_000).default(5000),
    /** For models that are not named below. */
    defaults: scalingPolicySchema.prefault({}),
    models: z.record(z.string(), scalingPolicySchema).default({}),
    /** `on`: this coordinator wakes, starts, drains and stops engines through their agents. `dry-run`: it logs what it would do. */
    actuator: z.enum(['off', 'dry-run', 'on']).default('off'),
    /** Owner among several coordinators that act. Absent: this is the only one. */
    lease: kubeAccessSchema
      .extend({
        namespace: z.string().min(1),
        name: z.string().min(1).default('infernode-scaler'),
        durationMs: leaseDurationMs,
      })
      .optional(),
    /** The same in Valkey or Redis, where there is no Kubernetes. */
    lock: z
      .strictObject({
        url: redisUrlSchema,
        key: z.string().min(1).max(200).default('infernode:scaler'),
        timeoutMs: z.int().min(1).max(5000).default(1000),
        durationMs: leaseDurationMs,
      })
      .optional(),
    /** Prices and capacities by GPU type, for the advice on the cheapest mix. */
    cost: z
      .strictObject({
        gpus: z.record(z.string(), gpuTypeSchema),
        /** Largest share of the load that may run on capacity that can be taken away. */
        maxSpotShare: z.number().min(0).max(1).default(0),
      })
      .optional(),
  })
  .refine(({ lease, lock }) => lease === undefined || lock === undefined, {
    path: ['lock'],
    message: 'expected either lease (Kubernetes) or lock (Valkey, Redis): two owners could act at once',
  })
  .prefault({});
export type AutoscalingConfig = z.infer<typeof autoscalingSchema>;
