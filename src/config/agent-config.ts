import { hostname } from 'node:os';
import { z } from 'zod';
import { degradeStepNames } from '../domain/engine.js';
import { checkSettingsSchema } from './check-settings.js';
import { agentKubernetesSchema } from './kubernetes-config.js';
import { listenAddress } from './listen-address.js';
import { probeSchema } from './probe-config.js';
import { refuseOpenListeners, tlsSchema } from './tls-config.js';

const name = z.string().regex(/^[\w][\w.-]{0,127}$/, 'expected letters, digits, dot, dash or underscore');

/** Without a step for this long while work waits, and with one more sign, an engine counts as hung (design decision 5). */
const watchdogMs = z.int().min(1000).max(3_600_000).default(30_000);

/** Steps whose flags could not be written are refused here, not at the start that needs them. */
function whyNotDegradable({ adapter, args, degradation }: z.infer<typeof templateFields>): string | null {
  if (degradation.length === 0) return null;
  if (adapter !== 'vllm') return `adapter ${adapter} knows no degradation steps; leave \`degradation\` out`;
  if (new Set(degradation).size < degradation.length) return 'expected each step once';
  const named = /(^|\s)--max[-_]model[-_]len[ =]\d+(\s|$)/.test(args.join(' '));
  return degradation.includes('shorter-context') && !named
    ? 'shorter-context halves the context, and the template names none; add `--max-model-len N` to its args'
    : null;
}

const hostName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$|^::$/, 'expected an address or a host name without a port');

/** How an engine is started: chosen by name from anywhere, written only here, on the node. */
const templateFields = z.strictObject({
  /** What speaks on the other side: vLLM, or another OpenAI-compatible server (`engine/openai-servers.ts`). */
  adapter: z.enum(['vllm', 'sglang', 'tgi', 'llama.cpp']).default('vllm'),
  model: z.string().min(1),
  /** Names clients may use; the first appears in metrics. Defaults to the model. */
  servedModelNames: z.array(z.string().min(1)).default([]),
  /** Program and leading arguments; the adapter's own follow. No shell ever sees them. */
  command: z.array(z.string().min(1)).min(1).optional(),
  args: z.array(z.string()).default([]),
  env: z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string()).default({}),
  /** `seen`: CUDA graphs for the batch sizes that this engine really ran; `engine`: for those that vLLM chooses. */
  captureSizes: z.enum(['engine', 'seen']).default('engine'),
  gpus: z.int().min(0).max(64).default(1),
  /**
   * Address that the engine binds so that coordinators on other machines reach it; absent: loopback. The agent then makes a key for each
   * start and hands it to coordinators only (design decision 11). `advertise`: what they call, where it is not the address bound.
   */
  listen: hostName.optional(),
  advertise: hostName.optional(),
  maxConcurrentRequests: z.int().min(1).max(65536).default(256),
  /** Without any progress in the engine's log; every step forward renews it. */
  startTimeoutMs: z
    .int()
    .min(1000)
    .default(30 * 60_000),
  drainTimeoutMs: z.int().min(0).default(120_000),
  /** SIGTERM to SIGKILL; vLLM itself needs its shutdown timeout + 15 s (vllm-contract 5.5). */
  stopGraceMs: z.int().min(0).default(20_000),
  watchdogMs,
  /**
   * Lets it sleep (vLLM). Level 1 keeps the weights in host memory, 2 drops them. `front` names what stands before an engine
   * that does not listen on loopback, for sleep opens admin paths without authentication.
   */
  sleep: z
    .strictObject({
      level: z.union([z.literal(1), z.literal(2)]).default(1),
      front: z.string().min(1).nullable().default(null),
    })
    .nullable()
    .default(null),
  /**
   * What it gives up at its next start, in this order, when its KV cache is above 95 % or requests are preempted again and
   * again: half the concurrent sequences, half the context, an fp8 KV cache.
   */
  degradation: z.array(z.enum(degradeStepNames)).default([]),
});

const defaultCommands = {
  vllm: ['vllm'],
  sglang: ['python3', '-m', 'sglang.launch_server'],
  tgi: ['text-generation-launcher'],
  'llama.cpp': ['llama-server'],
} as const;

/** An engine beyond loopback answers to its key only, and only vLLM takes one that no process list shows. */
function whyNotReachable({
  adapter,
  listen,
  advertise,
  env,
}: z.infer<typeof templateFields>): { path: string[]; message: string }[] {
  if (listen === undefined)
    return advertise === undefined ? [] : [{ path: ['advertise'], message: 'needs listen beside it' }];
  const anyAddress = ['0.0.0.0', '::'].includes(listen) && advertise === undefined;
  return [
    ...(adapter === 'vllm'
      ? []
      : [
          {
            path: ['listen'],
            message: `only adapter vllm takes a key; put a front before ${adapter} and attach that`,
          },
        ]),
    ...(anyAddress
      ? [{ path: ['advertise'], message: `listen ${listen} needs the address that coordinators call` }]
      : []),
    ...('VLLM_API_KEY' in env
      ? [{ path: ['env'], message: 'VLLM_API_KEY is made for each start where listen is set; leave it out' }]
      : []),
  ];
}

export const templateSchema = templateFields
  .superRefine((template, context) => {
    const message = whyNotDegradable(template);
    if (message !== null) context.addIssue({ code: 'custom', path: ['degradation'], message });
    for (const issue of whyNotReachable(template)) context.addIssue({ code: 'custom', ...issue });
  })
  .transform((template) => ({
    ...template,
    command: template.command ?? [...defaultCommands[template.adapter]],
  }));
export type TemplateConfig = z.infer<typeof templateSchema>;

const deviceRef = z.union([
  z.int().min(0),
  z.string().regex(/^GPU-[\w-]+$/, 'expected a device index or a GPU-... UUID'),
]);

const supervisedSchema = z.strictObject({
  id: name,
  origin: z.literal('supervised'),
  template: z.string().min(1),
  devices: z.array(deviceRef).default([]),
  autostart: z.boolean().default(true),
  /**
   * Takes the place of a lost engine of the same template: `warm` waits asleep with its weights in host memory, `cold` is
   * started only then. It goes back when the lost one serves again.
   */
  standby: z.enum(['warm', 'cold']).optional(),
});
export const attachedSchema = z.strictObject({
  id: name,
  origin: z.literal('attached'),
  url: z.url({ protocol: /^https?$/ }),
  devices: z.array(deviceRef).default([]),
  maxConcurrentRequests: z.int().min(1).max(65536).default(256),
  watchdogMs,
});
/** `origin` may be left out: an engine is supervised unless it says otherwise. */
const engineSchema = z.preprocess(
  (raw) =>
    typeof raw === 'object' && raw !== null && !('origin' in raw) ? { ...raw, origin: 'supervised' } : raw,
  z.discriminatedUnion('origin', [supervisedSchema, attachedSchema]),
);
export type SupervisedEngineConfig = z.infer<typeof supervisedSchema>;
export type AttachedEngineConfig = z.infer<typeof attachedSchema>;

export const agentSchema = z
  .strictObject({
    node: z
      .strictObject({ name: name.default(() => hostname()), machineId: z.string().min(1).default('auto') })
      .prefault({}),
    stateDir: z.string().min(1).default('/var/lib/infernode'),
    listen: z
      .strictObject({
        control: listenAddress.prefault('127.0.0.1:9470'),
        probe: listenAddress.prefault('127.0.0.1:9471'),
        metrics: listenAddress.prefault('127.0.0.1:9472'),
        metricsOpen: z.boolean().default(false),
      })
      .prefault({}),
    /** The DCGM_FI_DEV_* names beside our own, with the same numbers. */
    metrics: z.strictObject({ dcgmNames: z.boolean().default(false) }).prefault({}),
    tls: tlsSchema.optional(),
    nvml: z
      .strictObject({
        library: z.string().min(1).default('libnvidia-ml.so.1'),
        sampleIntervalMs: z.int().min(50).max(60_000).default(1000),
        /** A driver call older than this makes its device `unknown` and costs the sampler (design decision 1). */
        callDeadlineMs: z.int().min(100).max(60_000).default(3000),
        /** What this library and the kernel log tell is a rehearsal: acted on, and marked as a drill. */
        drill: z.boolean().default(false),
      })
      .prefault({}),
    /** The kernel log, second source of faults: the device, or a file that gets its records; `null`: not read. */
    kmsg: z.strictObject({ path: z.string().min(1).nullable().default('/dev/kmsg') }).prefault({}),
    health: z
      .strictObject({
        checks: checkSettingsSchema,
        /** Paths whose file systems must not fill up, beside the state directory: models, logs. */
        disks: z.array(z.string().min(1)).max(32).default([]),
        actions: z
          .strictObject({
            resetDevice: z.enum(['off', 'on', 'dry-run']).default('off'),
            /** `{uuid}`, `{index}` and `{pci}` stand for the device. */
            resetCommand: z
              .array(z.string().min(1))
              .min(1)
              .default(['nvidia-smi', '--gpu-reset', '-i', '{uuid}']),
            resetTimeoutMs: z.int().min(1000).max(3_600_000).default(120_000),
            /** Of the engines on the device before the reset; `null`: their templates' own. */
            drainTimeoutMs: z.int().min(0).nullable().default(null),
            /** Of one device in 24 hours. */
            maxResets: z.int().min(1).max(24).default(2),
            /** Run for what is left to people: reboot-node and replace-hardware. */
            hook: z.array(z.string().min(1)).default([]),
            hookTimeoutMs: z.int().min(1000).max(600_000).default(30_000),
          })
          .prefault({}),
        probe: probeSchema.prefault({}),
      })
      .prefault({}),
    /** Absent: the agent does not speak to Kubernetes. */
    kubernetes: agentKubernetesSchema.optional(),
    templates: z.record(name, templateSchema).default({}),
    engines: z.array(engineSchema).default([]),
  })
  .superRefine((config, context) => {
    const ids = new Set<string>();
    const claimed = new Map<string, string>();
    config.engines.forEach((engine, index) => {
      if (ids.has(engine.id))
        context.addIssue({
          code: 'custom',
          path: ['engines', index, 'id'],
          message: `duplicate engine id "${engine.id}"; give each engine its own id`,
        });
      ids.add(engine.id);
      if (engine.origin === 'supervised' && !Object.hasOwn(config.templates, engine.template))
        context.addIssue({
          code: 'custom',
          path: ['engines', index, 'template'],
          message: `unknown template "${engine.template}"; known: ${Object.keys(config.templates).join(', ') || 'none'}`,
        });
      if (
        engine.origin === 'supervised' &&
        engine.standby === 'warm' &&
        !config.templates[engine.template]?.sleep
      )
        context.addIssue({
          code: 'custom',
          path: ['engines', index, 'standby'],
          message: `a warm standby sleeps, and template "${engine.template}" has no \`sleep\`; set \`sleep: { level: 1 }\` there, or use cold`,
        });
      for (const device of engine.devices) {
        const owner = claimed.get(String(device));
        if (owner !== undefined)
          context.addIssue({
            code: 'custom',
            path: ['engines', index, 'devices'],
            message: `device ${device} is claimed twice, by "${owner}" and "${engine.id}"; give each engine its own devices`,
          });
        claimed.set(String(device), engine.id);
      }
    });
    refuseOpenListeners(config, context);
  });
export type AgentConfig = z.infer<typeof agentSchema>;
