/** Engines and their deaths as text. */
import type { DeathRecord } from '../domain/engine-death.js';
import type { EngineStatus } from '../domain/engine.js';
import { align, inOrder } from './status-table.js';

const seconds = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

export function renderEngines(engines: readonly EngineStatus[]): string {
  if (engines.length === 0) return 'no engines on this node';
  return align(
    inOrder(engines).map((engine) => [
      engine.id,
      engine.servedModels[0] ?? '-',
      engine.state,
      `run ${engine.incarnation}`,
      engine.load ? `${engine.load.running} running, ${engine.load.waiting} waiting` : '-',
      [...marksOf(engine), engine.reason].filter(Boolean).join('; '),
    ]),
  ).join('\n');
}

export function renderEngine(engine: EngineStatus): string {
  return `${engine.id}: ${engine.state}${engine.reason ? `, ${engine.reason}` : ''}`;
}

/** `engine` is `null` when it is not in the list any more. */
export function renderDeaths(engine: EngineStatus | null, deaths: readonly DeathRecord[]): string {
  const now = engine ? [renderEngine(engine), ...marksOf(engine).map((mark) => `  ${mark}`)] : [];
  if (deaths.length === 0) return [...now, 'it has not died unasked'].join('\n');
  return [...now, ...deaths.flatMap(deathLines)].join('\n');
}

function marksOf({ crashLoop, standby, cordons, pressure, degraded }: EngineStatus): string[] {
  return [
    ...(crashLoop ? ['CRASH LOOP'] : []),
    ...(standby ? [`${standby} standby`] : []),
    ...cordons.map(({ holder }) => `cordoned by ${holder}`),
    ...(pressure?.length ? [`under pressure: ${pressure.join(', ')}`] : []),
    ...(degraded?.length ? [`degraded from its next start on: ${degraded.join(', ')}`] : []),
  ];
}

function deathLines({
  atMs,
  incarnation,
  cause,
  reason,
  readyForMs,
  lostWork,
  suspectedPoison,
  stop,
}: DeathRecord): string[] {
  const served = readyForMs === null ? 'never served' : `served ${seconds(readyForMs)}`;
  const end = stop
    ? `end: ${stop.outcome} in ${seconds(stop.tookMs)}: ${stop.steps
        .map(
          ({ step, proven, detail, tookMs }) =>
            `${step} ${proven ? seconds(tookMs) : `NOT PROVEN (${detail})`}`,
        )
        .join(', ')}`
    : 'end: nothing had to be ended';
  return [
    `${new Date(atMs).toISOString()}  run ${incarnation}  ${cause}  ${reason}`,
    `  ${served}; ${lostWork.length} request${lostWork.length === 1 ? '' : 's'} lost`,
    `  ${end}`,
    ...(suspectedPoison.length > 0 ? [`  suspected poison: ${suspectedPoison.join(', ')}`] : []),
  ];
}
