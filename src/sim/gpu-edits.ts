/** What people do to simulated GPUs, each as a change of a scenario; for `editScenario` and for tests. */
import { InfernodeError } from '../domain/error-codes.js';
import { takeSeq } from './gpu-scenario.js';
import type { GpuScenario, ScenarioDevice } from './gpu-scenario-schema.js';
import type { GpuEventType } from './gpu-settings.js';

/** Events that a scenario keeps; the oldest go first. A reader that is this far behind has other troubles. */
const maxKeptEvents = 256;

const recoveryActionField = 230;

/** The device at that position; throws InfernodeError `argument-invalid` when there is none. */
export function deviceAt(scenario: GpuScenario, position: number): ScenarioDevice {
  const device = scenario.devices[position];
  if (device) return device;
  const known = scenario.devices.length === 0 ? 'there is none' : `0 to ${scenario.devices.length - 1}`;
  throw new InfernodeError('argument-invalid', `expected a GPU of this node (${known}), got ${position}`);
}

export interface EventOptions {
  code?: number;
  /** Not delivered by NVML, as happens to real Xids; only who reads the scenario sees it. */
  dropped?: boolean;
  gpuInstanceId?: number;
  computeInstanceId?: number;
}

/** Returns the event's sequence number. */
export function addEvent(
  scenario: GpuScenario,
  position: number,
  type: GpuEventType,
  { code = 0, ...rest }: EventOptions = {},
): number {
  deviceAt(scenario, position);
  const seq = takeSeq(scenario);
  // Marked for good, so that it stays lost when the driver tells again.
  const lost = scenario.dropEvents ? { dropped: true } : {};
  scenario.events.push({ seq, device: position, type, code, ...rest, ...lost });
  scenario.events.splice(0, scenario.events.length - maxKeptEvents);
  return seq;
}

/** An Xid as an event alone: the readings stay good. `addXidEffects` adds what comes with it on a real device. */
export function addXid(
  scenario: GpuScenario,
  position: number,
  code: number,
  options: EventOptions = {},
): number {
  return addEvent(scenario, position, 'xid', { ...options, code });
}

/** What such an Xid leaves behind in the readings of the device; false when nothing is known to. */
export function addXidEffects(scenario: GpuScenario, position: number, code: number): boolean {
  const device = deviceAt(scenario, position);
  const effects: Record<number, () => void> = {
    48: () => addEccErrors(scenario, position, { uncorrected: 1 }),
    63: () => Object.assign(device.set, { remappedRowsUncorrectable: 1, rowRemapPending: 1 }),
    64: () => Object.assign(device.set, { rowRemapFailure: 1 }),
    79: () => loseDevice(scenario, position),
    94: () => addEccErrors(scenario, position, { uncorrected: 1 }),
    95: () => addEccErrors(scenario, position, { uncorrected: 1 }),
    119: () => Object.assign(device.set, { recoveryAction: 1 }),
    120: () => Object.assign(device.set, { recoveryAction: 1 }),
    154: () => Object.assign(device.set, { recoveryAction: 1 }),
  };
  effects[code]?.();
  return effects[code] !== undefined;
}

/** Only what has something to be reset from goes away: the other GPUs of a node keep serving. */
export function loseFaulted(scenario: GpuScenario, only: number | undefined): void {
  for (const position of scenario.devices.keys()) {
    const faulted = scenario.events.some(({ device }) => device === position);
    if (faulted && (only === undefined || only === position)) loseDevice(scenario, position);
  }
}

/** Cuts a GPU into MIG instances of these sizes; none switches MIG off. A size of 0 is a hole, where an instance was removed. */
export function cutIntoInstances(
  scenario: GpuScenario,
  position: number,
  gibibytes: readonly number[],
): void {
  const { set, uuid } = deviceAt(scenario, position);
  set.migMode = gibibytes.length > 0 ? 1 : 0;
  set.mig = gibibytes.map((size, n) => ({
    uuid: size === 0 ? '' : `MIG-${uuid.replace(/^GPU-/, '')}-${n + 1}`,
    gpuInstanceId: n + 1,
    computeInstanceId: 0,
    memoryBytes: size * 2 ** 30,
    slices: 1,
  }));
}

/** Adds to the volatile and aggregate counters, and tells of uncorrected errors by an event, as the driver does. */
export function addEccErrors(
  scenario: GpuScenario,
  position: number,
  { corrected = 0, uncorrected = 0 }: { corrected?: number; uncorrected?: number },
): void {
  const { set } = deviceAt(scenario, position);
  const add = (name: 'eccCorrectedVolatile' | 'eccUncorrectedVolatile', count: number): void => {
    if (count > 0) set[name] = Number(set[name] ?? 0) + count;
  };
  add('eccCorrectedVolatile', corrected);
  add('eccUncorrectedVolatile', uncorrected);
  if (corrected > 0) addEvent(scenario, position, 'single-bit-ecc');
  if (uncorrected > 0) addEvent(scenario, position, 'double-bit-ecc');
}

/** The driver's own advice (NVML field 230), with the event that says it changed. */
export function setRecoveryAction(scenario: GpuScenario, position: number, action: number): void {
  const { set } = deviceAt(scenario, position);
  set.recoveryAction = action;
  delete set.fields?.[recoveryActionField];
  addEvent(scenario, position, 'recovery-action');
}

/** Every call on the device answers GPU_IS_LOST; with `vanish` the driver does not even count it any more. */
export function loseDevice(scenario: GpuScenario, position: number, vanish = false): void {
  const device = deviceAt(scenario, position);
  device.lost = true;
  if (vanish) device.vanished = true;
}

export function findDevice(scenario: GpuScenario, position: number): void {
  const device = deviceAt(scenario, position);
  device.lost = false;
  delete device.vanished;
}

type RuleKind = 'hangs' | 'delays' | 'returns';

function sameTarget(
  rule: { call: string; device?: number },
  call: string,
  device: number | undefined,
): boolean {
  return rule.call === call && rule.device === device;
}

function dropRule(scenario: GpuScenario, kind: RuleKind, call: string, device: number | undefined): void {
  const rules: { call: string; device?: number }[] = scenario[kind];
  const kept = rules.filter((rule) => !sameTarget(rule, call, device));
  rules.splice(0, rules.length, ...kept);
}

const onDevice = (device: number | undefined): { device?: number } =>
  device === undefined ? {} : { device };

/** The call never returns, until the rule goes. Without a device: for all of them. */
export function hangCall(scenario: GpuScenario, call: string, device?: number): void {
  if (device !== undefined) deviceAt(scenario, device);
  dropRule(scenario, 'hangs', call, device);
  scenario.hangs.push({ call, ...onDevice(device) });
}

/** Lets hung calls go: of that name and device; of all names or devices where none is given. Returns how many rules went. */
export function releaseCalls(scenario: GpuScenario, call?: string, device?: number): number {
  const before = scenario.hangs.length;
  scenario.hangs = scenario.hangs.filter(
    (rule) => (call !== undefined && rule.call !== call) || (device !== undefined && rule.device !== device),
  );
  return before - scenario.hangs.length;
}

/** 0 µs takes the delay away. */
export function delayCall(scenario: GpuScenario, call: string, us: number, device?: number): void {
  if (device !== undefined) deviceAt(scenario, device);
  dropRule(scenario, 'delays', call, device);
  if (us > 0) scenario.delays.push({ call, ...onDevice(device), us });
}

/** The call answers that code, for ever or `times` times (in each process); code 0 takes the rule away. */
export function forceReturn(
  scenario: GpuScenario,
  call: string,
  code: number,
  { device, times }: { device?: number; times?: number } = {},
): void {
  if (device !== undefined) deviceAt(scenario, device);
  dropRule(scenario, 'returns', call, device);
  if (code === 0) return;
  const counted = times === undefined ? {} : { times };
  // The number tells this rule from an equal one whose turns are used up.
  scenario.returns.push({ call, ...onDevice(device), code, ...counted, seq: takeSeq(scenario) });
}

/** The driver lacks the function, or has it again. */
export function setMissing(scenario: GpuScenario, call: string, missing: boolean): void {
  scenario.missing = scenario.missing.filter((one) => one !== call);
  if (missing) scenario.missing.push(call);
}

/** The highest struct version that the function takes; 0: every one. */
export function setStructVersion(scenario: GpuScenario, call: string, version: number): void {
  const others = Object.entries(scenario.structVersions ?? {}).filter(([name]) => name !== call);
  scenario.structVersions = Object.fromEntries(version === 0 ? others : [...others, [call, version]]);
}

/** One device as new: present, nothing set, no rules and no past events of its own. */
export function resetDevice(scenario: GpuScenario, position: number): void {
  findDevice(scenario, position);
  deviceAt(scenario, position).set = {};
  const others = ({ device }: { device?: number }): boolean => device !== position;
  scenario.hangs = scenario.hangs.filter(others);
  scenario.delays = scenario.delays.filter(others);
  scenario.returns = scenario.returns.filter(others);
  keepSeq(scenario);
  scenario.events = scenario.events.filter(others);
}

/** The whole node as new; devices, driver version and sequence numbers stay. */
export function resetNode(scenario: GpuScenario): void {
  scenario.devices.forEach((_, position) => resetDevice(scenario, position));
  Object.assign(scenario, { latencyUs: 0, hangs: [], delays: [], returns: [], missing: [] });
  for (const name of [
    'globalLock',
    'dropEvents',
    'eventQueueLength',
    'confidentialCompute',
    'confidentialReady',
    'structVersions',
    'excluded',
  ] as const)
    delete scenario[name];
}

/** Sequence numbers rise for ever, so the newest one must outlive its event. */
function keepSeq(scenario: GpuScenario): void {
  scenario.lastSeq = scenario.events.reduce((most, { seq }) => Math.max(most, seq), scenario.lastSeq ?? 0);
}
