import { driverRuleNames } from '../sim/gpu-set-path.js';
import type { GpuScenario, ScenarioDevice } from '../sim/gpu-scenario.js';

/** Events shown; the newest tell what is going on. */
const shownEvents = 8;

/** The scenario for people: what is as new is one line, what is not says how. */
export function describeScenario(path: string, scenario: GpuScenario, only?: number): string {
  const lines = [`${path}  driver ${scenario.driverVersion}`];
  scenario.devices.forEach((device, position) => {
    if (only === undefined || only === position) lines.push(`  GPU ${position}  ${describeDevice(device)}`);
  });
  lines.push(...describeRules(scenario, only), ...describeEvents(scenario, only));
  return `${lines.join('\n')}\n`;
}

function describeDevice(device: ScenarioDevice): string {
  const state = device.vanished ? 'vanished' : device.lost ? 'lost' : 'present';
  const settings = Object.entries(device.set).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return [device.uuid, device.pciBusId, device.profile, state, ...settings].join('  ');
}

function describeRules(scenario: GpuScenario, only?: number): string[] {
  const where = (device?: number): string => (device === undefined ? 'all GPUs' : `GPU ${device}`);
  const shown = ({ device }: { device?: number }): boolean =>
    only === undefined || device === undefined || device === only;
  const driver = driverRuleNames
    .filter((key) => scenario[key] !== undefined && scenario[key] !== 0)
    .map((key) => `  driver  ${key}=${String(scenario[key])}`);
  return [
    ...driver,
    ...scenario.missing.map((call) => `  missing ${call}`),
    ...Object.entries(scenario.structVersions ?? {}).map(
      ([call, version]) => `  struct  ${call} takes structs up to version ${version}`,
    ),
    ...scenario.hangs.filter(shown).map(({ call, device }) => `  hang    ${call} on ${where(device)}`),
    ...scenario.delays
      .filter(shown)
      .map(({ call, device, us }) => `  delay   ${call} on ${where(device)}: ${us} µs`),
    ...scenario.returns.filter(shown).map(({ call, device, code, times }) => {
      const limit = times === undefined ? '' : `, ${times} times`;
      return `  return  ${call} on ${where(device)}: ${code}${limit}`;
    }),
  ];
}

function describeEvents(scenario: GpuScenario, only?: number): string[] {
  return scenario.events
    .filter(({ device }) => only === undefined || device === only)
    .slice(-shownEvents)
    .map(({ seq, device, type, code, dropped }) => {
      const name = type === 'xid' ? `Xid ${code}` : type;
      return `  event ${seq}  GPU ${device}  ${name}${dropped ? ' (not delivered)' : ''}`;
    });
}

/** Names in indented lines of about a terminal's width. */
export function wrap(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    const last = lines.at(-1) ?? '';
    if (last.length + name.length > 100) lines.push(name);
    else lines[lines.length - 1] = last === '' ? name : `${last} ${name}`;
  }
  return lines.join('\n  ');
}
