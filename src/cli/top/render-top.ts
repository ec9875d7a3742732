import type { ClusterState } from '../../domain/cluster-state.js';
import type { NodeState } from '../../domain/node-state.js';
import { align, renderStatus } from '../status-table.js';
import type { GatewayRates } from './gateway-rates.js';

export interface TopView {
  /** Wall time, ms since 1970. */
  atMs: number;
  /** `null` while the coordinator does not answer; `problem` says why. */
  cluster: ClusterState | null;
  /** `null` before the second look, or without the metrics page. */
  rates: GatewayRates | null;
  problem: string;
}

/** The whole picture as lines, not yet cut to a terminal: a head with the sums, then what `status` shows. */
export function renderTop({ atMs, cluster, rates, problem }: TopView): string[] {
  const time = new Date(atMs).toISOString().slice(11, 19);
  if (cluster === null) return [`infernode top  ${time}`, '', problem || 'waiting for the coordinator'];
  const states = cluster.nodes.flatMap(({ state }) => (state === null ? [] : [state]));
  const inFlight = cluster.models.reduce((sum, model) => sum + model.inFlight, 0);
  return [
    `infernode top  ${time}  ${sumsOf(cluster, states)}  ${inFlight} in flight${problem ? `  (${problem})` : ''}`,
    ...ratesLine(rates),
    '',
    ...align([
      ['node', 'GPUs busy', 'memory', 'power', 'running', 'waiting'],
      ...states.map((state) => [state.node, ...loadOf(state)]),
    ]),
    '',
    ...renderStatus(cluster).split('\n'),
  ];
}

function sumsOf({ nodes, endpoints }: ClusterState, states: readonly NodeState[]): string {
  const devices = states.flatMap((state) => state.devices);
  const healthy = devices.filter(({ health }) => health === 'healthy').length;
  const watched = nodes.filter(({ watch }) => watch === 'watching').length;
  const eligible = endpoints.filter((endpoint) => endpoint.eligible).length;
  return `${watched}/${nodes.length} nodes  ${healthy}/${devices.length} GPUs healthy  ${eligible}/${endpoints.length} engines eligible`;
}

function ratesLine(rates: GatewayRates | null): string[] {
  if (rates === null) return ['requests/s -  tokens/s -  TTFT p50 -  p90 -'];
  const seconds = (value: number | null): string => (value === null ? '-' : `${Math.round(value * 1000)} ms`);
  const { requestsPerSecond, tokensPerSecond, ttftP50Seconds, ttftP90Seconds } = rates;
  return [
    `requests/s ${requestsPerSecond.toFixed(1)}  tokens/s ${tokensPerSecond.toFixed(0)}  TTFT p50 ${seconds(ttftP50Seconds)}  p90 ${seconds(ttftP90Seconds)}`,
  ];
}

function loadOf({ devices, engines }: NodeState): string[] {
  const sum = (values: readonly (number | null)[]): number | null =>
    values.every((value) => value === null)
      ? null
      : values.reduce<number>((all, value) => all + (value ?? 0), 0);
  const busy = sum(devices.map(({ reading }) => reading.gpuUtilizationRatio));
  const used = sum(devices.map(({ reading }) => reading.memoryUsedBytes));
  const watts = sum(devices.map(({ reading }) => reading.powerWatts));
  const loads = engines.flatMap(({ load }) => (load ? [load] : []));
  return [
    busy === null ? '-' : `${Math.round((100 * busy) / devices.length)}%`,
    used === null ? '-' : `${(used / 1024 ** 3).toFixed(0)} GiB`,
    watts === null ? '-' : `${Math.round(watts)} W`,
    String(loads.reduce((all, { running }) => all + running, 0)),
    String(loads.reduce((all, { waiting }) => all + waiting, 0)),
  ];
}
