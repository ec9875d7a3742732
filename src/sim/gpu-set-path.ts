/** `set KEY VALUE` for people: a dotted path into a device's settings, or the name of a setting of the whole node. */
import { InfernodeError } from '../domain/error-codes.js';
import type { DeviceSettings, GpuScenario, SettingValue } from './gpu-scenario-schema.js';
import {
  deviceSettingNames,
  deviceTextNames,
  linkSettingNames,
  type DeviceSettingName,
  type DeviceTextName,
  type LinkSettingName,
} from './gpu-settings.js';

/** What the driver does, beside its versions; nothing of it unless it is set. */
export const driverRuleNames = [
  'latencyUs',
  'globalLock',
  'dropEvents',
  'eventQueueLength',
  'confidentialCompute',
  'confidentialReady',
] as const;
export const nodeSettingNames = [
  'driverVersion',
  'nvmlVersion',
  'cudaDriverVersion',
  ...driverRuleNames,
] as const;
export type NodeSettingName = (typeof nodeSettingNames)[number];

export function isNodeSetting(key: string): key is NodeSettingName {
  return isOneOf(nodeSettingNames, key);
}

/** A value as people type it. `default` undoes the setting, `null` says that the part does not have it. */
export type TypedValue = number | boolean | string | null | undefined;

export function parseValue(text: string): TypedValue {
  if (text === 'default') return undefined;
  if (text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

export function setNodeSetting(scenario: GpuScenario, key: NodeSettingName, value: TypedValue): void {
  if (value === undefined && (key === 'driverVersion' || key === 'latencyUs'))
    throw invalid(`expected a value for ${key}, got "default"; it has no default to go back to`);
  // The schema judges the value when the edit is done.
  (scenario as Record<string, unknown>)[key] = value;
}

/** Throws InfernodeError `argument-invalid` for an unknown key or a value that is not of its kind. */
export function setDeviceSetting(
  settings: DeviceSettings,
  key: string,
  value: TypedValue,
  nowMs: number,
): void {
  const [first = '', second, third] = key.split('.');
  if (second === undefined && isOneOf(deviceTextNames, first)) setText(settings, first, value);
  else if (second === undefined && isOneOf(deviceSettingNames, first))
    assign(settings, first, asSetting(key, value));
  else if (first === 'rates' && isOneOf(deviceSettingNames, second))
    setRate(settings, second, asNumber(key, value), nowMs);
  else if (first === 'fields' && second !== undefined && /^\d+(:\d+)?$/.test(second))
    assign((settings.fields ??= {}), second, asSetting(key, value));
  else if (
    first === 'links' &&
    second !== undefined &&
    /^\d+$/.test(second) &&
    isOneOf(linkSettingNames, third)
  )
    setLink(settings, second, third, asSetting(key, value));
  else if (first === 'p2p' && second !== undefined && /^\d+$/.test(second))
    assign((settings.p2p ??= {}), second, asNumber(key, value));
  else throw invalid(unknownKey(key));
}

function setText(settings: DeviceSettings, name: DeviceTextName, value: TypedValue): void {
  assign(settings, name, value === null || value === undefined ? value : String(value));
}

function setLink(
  settings: DeviceSettings,
  link: string,
  name: LinkSettingName,
  value: SettingValue | undefined,
): void {
  assign(((settings.links ??= {})[link] ??= {}), name, value);
}

/**
 * All rates of a device count from one moment, so what has grown until now becomes part of the base before another rate
 * begins. A counter that nobody set starts at 0.
 */
function setRate(
  settings: DeviceSettings,
  name: DeviceSettingName,
  rate: number | undefined,
  nowMs: number,
): void {
  const rates = (settings.rates ??= {});
  const seconds = Math.max(0, nowMs - (settings.ratesSinceMs ?? nowMs)) / 1000;
  for (const [grown, perSecond] of Object.entries(rates) as [DeviceSettingName, number][])
    settings[grown] = Math.round(Number(settings[grown] ?? 0) + perSecond * seconds);
  settings.ratesSinceMs = nowMs;
  assign(rates, name, rate);
}

function assign<Key extends string, Value>(
  target: { [key in Key]?: Value },
  key: Key,
  value: Value | undefined,
): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}

function asSetting(key: string, value: TypedValue): SettingValue | undefined {
  if (typeof value !== 'string') return value;
  throw invalid(`expected a number, true, false, null or default for ${key}, got "${value}"`);
}

function asNumber(key: string, value: TypedValue): number | undefined {
  if (value === undefined || typeof value === 'number') return value;
  throw invalid(`expected a number or default for ${key}, got "${String(value)}"`);
}

function isOneOf<Name extends string>(names: readonly Name[], name: string | undefined): name is Name {
  return name !== undefined && (names as readonly string[]).includes(name);
}

function unknownKey(key: string): string {
  const word = (key.split('.').at(-1) ?? key).toLowerCase();
  const all = [...deviceSettingNames, ...deviceTextNames, ...nodeSettingNames] as string[];
  const near = all.filter((name) => name.toLowerCase().includes(word.slice(0, 6))).slice(0, 5);
  const forms = 'fields.ID[:SCOPE], links.N.NAME, rates.NAME, p2p.N';
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : `other forms are ${forms}`;
  return `expected a setting, got "${key}"; ${hint} \`infernode sim gpu set --help\` lists them`;
}

function invalid(message: string): InfernodeError {
  return new InfernodeError('argument-invalid', message);
}
