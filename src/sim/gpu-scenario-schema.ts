import { z } from 'zod';
import { gpuProfiles, type GpuProfileName } from '../domain/gpu-profiles.js';
import {
  deviceSettingNames,
  deviceTextNames,
  gpuEventTypes,
  linkSettingNames,
  type DeviceSettingName,
  type DeviceTextName,
  type LinkSettingName,
} from './gpu-settings.js';

/** null: the part does not have it (NVML answers NOT_SUPPORTED). -1 is all ones, NVML's mark for "not available". */
const settingValue = z.union([z.number(), z.boolean(), z.null()]);
const wholeNumber = z.number().int().min(0);

function membersOf<Name extends string, S extends z.ZodType>(
  names: readonly Name[],
  schema: S,
): Record<Name, z.ZodOptional<S>> {
  return Object.fromEntries(names.map((name) => [name, schema.optional()])) as Record<Name, z.ZodOptional<S>>;
}

const linkSettings = z.strictObject(
  membersOf<LinkSettingName, typeof settingValue>(linkSettingNames, settingValue),
);

const migInstance = z.strictObject({
  /** An empty UUID is a hole: the instance at this index was removed. */
  uuid: z.string(),
  gpuInstanceId: wholeNumber,
  computeInstanceId: wholeNumber,
  memoryBytes: wholeNumber,
  slices: z.number().int().min(1).max(7).default(1),
});

const deviceSettings = z.strictObject({
  ...membersOf<DeviceSettingName, typeof settingValue>(deviceSettingNames, settingValue),
  ...membersOf<DeviceTextName, z.ZodNullable<z.ZodString>>(deviceTextNames, z.string().nullable()),
  /** Growth per second of a counter, from `ratesSinceMs` (wall clock) on. */
  rates: z.strictObject(membersOf<DeviceSettingName, z.ZodNumber>(deviceSettingNames, z.number())).optional(),
  ratesSinceMs: z.number().optional(),
  /** NVML field id, or `id:scope` for one link or lane. */
  fields: z.record(z.string().regex(/^\d+(:\d+)?$/, 'expected ID or ID:SCOPE'), settingValue).optional(),
  /** By number of the NVLink. */
  links: z.record(z.string().regex(/^\d+$/, 'expected the number of a link'), linkSettings).optional(),
  /** Peer status (nvmlGpuP2PStatus_t) towards the device at that position. */
  p2p: z.record(z.string().regex(/^\d+$/, 'expected the position of a device'), wholeNumber).optional(),
  mig: z.array(migInstance).max(8).optional(),
});

const device = z.strictObject({
  profile: z.enum(Object.keys(gpuProfiles) as [GpuProfileName, ...GpuProfileName[]]),
  uuid: z.string().min(1),
  serial: z.string().default(''),
  pciBusId: z.string().regex(/^[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-9a-fA-F]$/),
  /** Every call on it answers GPU_IS_LOST. */
  lost: z.boolean().default(false),
  /** Lost, and no longer counted. */
  vanished: z.boolean().optional(),
  set: deviceSettings.default({}),
});

const event = z.strictObject({
  /** Rises for ever; a reader knows by it what it has seen. */
  seq: wholeNumber,
  /** Position in `devices`. */
  device: wholeNumber,
  type: z.enum(gpuEventTypes),
  /** Xid code; 0 for the others. */
  code: wholeNumber.default(0),
  gpuInstanceId: wholeNumber.optional(),
  computeInstanceId: wholeNumber.optional(),
  /** It happened, but NVML does not tell: only the kernel log of a real machine would. */
  dropped: z.boolean().optional(),
});

/** `call` is a function's full name or `*`; without `device` the rule holds for all and for calls without one. */
const rule = { call: z.string().min(1), device: wholeNumber.optional() };

export const gpuScenarioSchema = z.strictObject({
  schema: z.literal(1),
  driverVersion: z.string().regex(/^\d+(\.\d+)+$/, 'expected a version such as 580.65.06'),
  nvmlVersion: z.string().optional(),
  cudaDriverVersion: wholeNumber.optional(),
  /** Added to every call, microseconds. */
  latencyUs: wholeNumber.default(0),
  /** One call at a time in the whole driver: a call that hangs blocks all. */
  globalLock: z.boolean().optional(),
  /** No event is delivered while this is set. */
  dropEvents: z.boolean().optional(),
  /** Events that one event set holds before newer ones are lost. */
  eventQueueLength: z.number().int().min(1).max(4096).optional(),
  confidentialCompute: z.boolean().optional(),
  confidentialReady: z.boolean().optional(),
  devices: z.array(device).max(64),
  events: z.array(event).max(4096).default([]),
  /** Highest sequence number ever given out; it outlives the events. */
  lastSeq: wholeNumber.optional(),
  hangs: z.array(z.strictObject(rule)).default([]),
  delays: z.array(z.strictObject({ ...rule, us: wholeNumber })).default([]),
  returns: z
    .array(
      z.strictObject({
        ...rule,
        code: wholeNumber,
        times: wholeNumber.optional(),
        seq: wholeNumber.optional(),
      }),
    )
    .default([]),
  /** Functions that answer FUNCTION_NOT_FOUND, beside those that the driver version lacks. */
  missing: z.array(z.string()).default([]),
  /** Highest struct version that a function takes; a newer one answers ARGUMENT_VERSION_MISMATCH. */
  structVersions: z.record(z.string(), z.number().int().min(1)).optional(),
  /** Devices that a driver exclusion list hides. */
  excluded: z.array(z.strictObject({ uuid: z.string(), pciBusId: z.string() })).optional(),
});

export type GpuScenario = z.output<typeof gpuScenarioSchema>;
export type ScenarioDevice = GpuScenario['devices'][number];
export type ScenarioEvent = GpuScenario['events'][number];
export type DeviceSettings = ScenarioDevice['set'];
export type SettingValue = z.output<typeof settingValue>;
