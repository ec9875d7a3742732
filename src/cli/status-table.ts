import type { ClusterState } from '../domain/cluster-state.js';
import type { DeviceStatus } from '../domain/device.js';
import type { Condition } from '../domain/health.js';
import type { NodeState } from '../domain/node-state.js';

const gib = (bytes: number | null): string => (bytes === null ? '-' : (bytes / 1024 ** 3).toFixed(0));
/** A device's index stands beside it already, and it makes rows wrap; `--json` has it. */
const deviceUuid = / \(GPU-[0-9a-f-]{36}\)/g;
const percent = (ratio: number | null): string => (ratio === null ? '-' : `${Math.round(ratio * 100)}%`);

/** The cluster as aligned text: nodes, their devices and engines with the work in flight, then the models. */
export function renderStatus(cluster: ClusterState): string {
  const sections = cluster.nodes.flatMap(({ address, watch, reason, state }) => [
    state === null
      ? `${address}  ${watch}${reason ? `: ${reason}` : ''}`
      : `${state.node}  ${watch}${reason ? `: ${reason}` : ''}  driver ${driverOf(state)}${cordonsOf(state.cordons)}`,
    ...(state === null
      ? []
      : [
          ...state.conditions.map(nodeCondition),
          ...silentChecks(state),
          ...deviceTable(state),
          ...engineTable(state, cluster),
          '',
        ]),
  ]);
  const models = cluster.models.map(
    ({ name, aliases, strategy, eligibleEndpoints, endpoints, inFlight }) =>
      `model ${name}${aliases.length ? ` (${aliases.join(', ')})` : ''}  ${strategy}  ${eligibleEndpoints}/${endpoints} endpoints eligible  ${inFlight} in flight`,
  );
  return [...sections, ...models, ...cluster.foreignChains].join('\n');
}

function driverOf({ driver }: NodeState): string {
  return driver.state === 'ok' ? driver.driverVersion : `${driver.state}: ${driver.reason}`;
}

function nodeCondition({ severity, reason, action }: Condition): string {
  return `  node  ${severity}  ${reason}${action === 'none' ? '' : ` (wants ${action})`}`;
}

/** Neither good nor bad: this host has no source for them, such as RDMA ports. */
function silentChecks({ unsupportedChecks, devices }: NodeState): string[] {
  const usual = usualSilence(devices);
  return [
    ...(unsupportedChecks.length ? [`  node  checks unsupported here: ${unsupportedChecks.join(', ')}`] : []),
    ...(usual.length ? [`  GPUs  ${countOfChecks(usual)} unsupported`] : []),
  ];
}

/** The unsupported checks that most devices of the node share: said once, so that they do not drown findings. */
function usualSilence(devices: readonly DeviceStatus[]): readonly string[] {
  const alike = (checks: readonly string[]) => devices.filter((device) => isSilent(device, checks)).length;
  const sets = devices.map(({ unsupportedChecks = [] }) => unsupportedChecks);
  return sets.reduce((best, checks) => (alike(checks) > alike(best) ? checks : best), sets[0] ?? []);
}

const isSilent = ({ unsupportedChecks = [] }: DeviceStatus, checks: readonly string[]): boolean =>
  unsupportedChecks.join() === checks.join();

const countOfChecks = ({ length }: readonly string[]): string => `${length} check${length === 1 ? '' : 's'}`;

function cordonsOf(cordons: readonly { holder: string }[]): string {
  return cordons.length ? `  cordoned by ${cordons.map(({ holder }) => holder).join(', ')}` : '';
}

function deviceTable({ devices }: NodeState): string[] {
  const usual = usualSilence(devices);
  const rows = align(
    devices.map((device) => [
      labelOf(device),
      device.identity.name.replace(/^NVIDIA /, ''),
      device.health,
      device.reading.temperatureCelsius === null ? '-' : `${device.reading.temperatureCelsius} C`,
      device.reading.powerWatts === null ? '-' : `${Math.round(device.reading.powerWatts)} W`,
      `${gib(device.reading.memoryUsedBytes)}/${gib(device.reading.memoryTotalBytes)} GiB`,
      findingsOf(device, usual),
    ]),
  );
  return devices.flatMap((device, n) => [rows[n]!, ...instanceRows(device)]);
}

/** Those behind a GPU that the driver lists no more have moved up: two of one number would be one too many. */
function labelOf({ identity, conditions }: DeviceStatus): string {
  const isGone = conditions.some(({ check }) => check === 'gpu_missing');
  return isGone ? `  was GPU ${identity.index}` : `  GPU ${identity.index}`;
}

/** GPU and compute instance, as `nvidia-smi mig` names them. */
function instanceRows({ instances = [] }: DeviceStatus): string[] {
  return align(
    instances.map(({ uuid, gpuInstance, computeInstance, health, reason }) => [
      `    MIG ${gpuInstance}/${computeInstance}`,
      uuid,
      health,
      reason,
    ]),
  );
}

function findingsOf(device: DeviceStatus, usual: readonly string[]): string {
  const { reason, action, cordons, unsupportedChecks = [] } = device;
  const wish = action === 'none' ? '' : ` (wants ${action})`;
  // Neither good nor bad; `--json` names them.
  const silent = isSilent(device, usual) ? '' : `  ${countOfChecks(unsupportedChecks)} unsupported`;
  return `${reason}${wish}${cordonsOf(cordons)}${silent}`.trim();
}

function engineTable({ node, engines }: NodeState, { endpoints }: ClusterState): string[] {
  return align(
    inOrder(engines).map((engine) => {
      const endpoint = endpoints.find(({ id }) => id === `${node}/${engine.id}`);
      return [
        `  ${engine.id}`,
        engine.servedModels[0] ?? '-',
        engine.state,
        `${endpoint?.inFlight ?? 0} in flight`,
        `kv ${percent(engine.load?.kvCacheUsageRatio ?? null)}`,
        engine.restarts ? `${engine.restarts} restart${engine.restarts === 1 ? '' : 's'}` : '',
        (engine.reason || (endpoint && !endpoint.eligible ? endpoint.reason : '')).replace(deviceUuid, ''),
      ];
    }),
  );
}

/** By id, as people count: chat-2 before chat-10, whichever was started first. */
export const inOrder = <T extends { id: string }>(engines: readonly T[]): T[] =>
  [...engines].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));

/** Pads every column to its widest cell; the last column is left as it is. */
export function align(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
