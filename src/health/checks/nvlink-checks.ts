/** NVLinks one by one, peers, the fabric, and the links between CPU and GPU. One bad link is one condition of its own. */
import type { LinkReading } from '../../domain/device-details.js';
import { decodeBitErrorRate } from './bit-error-rate.js';
import { hourMs, minuteMs, ok, unknown, type DeviceCheck, type DeviceView } from './device-check.js';
import type { PartVerdict, Verdict } from './device-check.js';
import { absence, companion, holds, tableValue, valueCheck, valueOf } from './read-values.js';

type LinkColumn = keyof LinkReading;

/** A verdict per link; `null` leaves a link out. */
function byLink(
  view: DeviceView,
  judge: (link: LinkReading, name: string, n: number) => PartVerdict | null,
): Verdict {
  const { sample, stuck } = view;
  if (!sample || sample.error || stuck) return unknown;
  if (sample.parts.links === null) return absence(view, 'nvlinkCount');
  const parts = new Map<string, PartVerdict>();
  sample.parts.links.forEach((link, n) => {
    const name = linkName(n);
    const verdict = judge(link, name, n);
    if (verdict) parts.set(name, verdict);
  });
  return parts.size === 0 ? absence(view) : { state: 'parts', parts };
}

/** Names that are asked for each second, by link. */
const linkNames: string[] = [];
const linkName = (n: number): string => (linkNames[n] ??= `link ${n}`);
const counterNames = new Map<LinkColumn, string[]>();

/** The series of a counter of link `n`. */
export function linkCounter(n: number, column: LinkColumn): string {
  const names = counterNames.get(column) ?? [];
  counterNames.set(column, names);
  return (names[n] ??= `${linkName(n)}/${column}`);
}

/** All links of a device with MIG are off by design, as on some virtual machines, which have none in the inventory either. */
const nvlinkDown: DeviceCheck = {
  id: 'nvlink_down',
  evaluate(view) {
    if (valueOf(view, 'migMode') === 1) return absence(view);
    const wasActive = view.inventory.activeLinks;
    if (wasActive === 0) return absence(view);
    const alone = view.workload.engines.every(
      ({ deviceUuids }) =>
        !deviceUuids.includes(view.sample?.identity.uuid ?? '') || deviceUuids.length === 1,
    );
    const severity = alone && view.workload.engines.length > 0 ? 'warning' : 'critical';
    return byLink(view, ({ active }, name) => {
      if (active === null) return null;
      return active === 1 ? ok : { state: 'firing', severity, reason: `NVLink ${name.slice(5)} is inactive` };
    });
  },
};

interface CounterRule {
  column: LinkColumn;
  /** Growth that is allowed. */
  perMinute: number;
  text: string;
}

/** Fires for each link one of whose counters grew faster than allowed. */
function counterVerdicts(view: DeviceView, rules: readonly CounterRule[]): Verdict {
  return byLink(view, (link, _name, n) => {
    let known = false;
    for (const { column, perMinute, text } of rules) {
      if (link[column] === null) continue;
      known = true;
      if ((view.history.perMinute(linkCounter(n, column), minuteMs) ?? 0) > perMinute)
        return { state: 'firing', reason: `NVLink ${n}: ${text}` };
    }
    return known ? ok : null;
  });
}

const secondsPerMinute = 60;

/** Configured: replays and recoveries per minute. */
const nvlinkErrors: DeviceCheck = {
  id: 'nvlink_errors',
  clearAfterMs: 10 * minuteMs,
  evaluate: (view, limit) =>
    counterVerdicts(view, [
      {
        column: 'replayErrors',
        perMinute: limit.configured ?? tableValue(limit, 'replay_per_min'),
        text: 'replays',
      },
      {
        column: 'recoveryErrors',
        perMinute: limit.configured ?? tableValue(limit, 'recovery_per_min'),
        text: 'recoveries',
      },
      {
        column: 'crcErrors',
        perMinute: tableValue(limit, 'crc_per_s') * secondsPerMinute,
        text: 'CRC errors',
      },
    ]),
};

/** Configured: receive errors and discards per minute; the others must not grow at all. */
const nvlink5Errors: DeviceCheck = {
  id: 'nvlink5_errors',
  clearAfterMs: 10 * minuteMs,
  evaluate(view, limit) {
    const rule = (column: LinkColumn, name: string, text: string): CounterRule => ({
      column,
      perMinute: tableValue(limit, name),
      text,
    });
    const perMinute = (column: LinkColumn, name: string, text: string): CounterRule => ({
      ...rule(column, name, text),
      perMinute: limit.configured ?? tableValue(limit, name),
    });
    return counterVerdicts(view, [
      rule('recoveryFailed', 'link_recovery_failed', 'a link recovery failed'),
      rule('localIntegrityErrors', 'local_integrity', 'local integrity errors'),
      rule('bufferOverruns', 'buffer_overrun', 'buffer overruns'),
      rule('malformedPackets', 'malformed', 'malformed packets'),
      perMinute('receiveErrors', 'receive_errors_per_min', 'receive errors'),
      perMinute('discards', 'discards_per_min', 'discarded packets'),
    ]);
  },
};

/** A symbol rate worse than the floor is a warning only. Configured: effective bit-error rate. */
const nvlink5Ber: DeviceCheck = {
  id: 'nvlink5_ber',
  clearAfterMs: hourMs,
  evaluate(view, limit) {
    const floors = limit.row.threshold.symbol_floor_exponent as { blackwell_on: number };
    return byLink(view, ({ effectiveBer, symbolBer }, part) => {
      if (effectiveBer === null) return null;
      const name = `NVLink ${part.slice(5)}`;
      if (decodeBitErrorRate(effectiveBer).rate > limit.level)
        return {
          state: 'firing',
          severity: 'critical',
          reason: `${name}: bit-error rate above ${limit.level}`,
        };
      if (symbolBer !== null && isAboveFloor(symbolBer, floors.blackwell_on))
        return {
          state: 'firing',
          severity: 'warning',
          reason: `${name}: symbol errors above the floor of the part`,
        };
      return ok;
    });
  },
};

/** The floor is mantissa 15 at its exponent; a smaller exponent is a worse rate. */
function isAboveFloor(encoded: number, floorExponent: number): boolean {
  const { rate, exponent } = decodeBitErrorRate(encoded);
  return rate > 0 && exponent < floorExponent;
}

/** Pairs that were OK in the inventory and no longer are. */
const p2pBroken: DeviceCheck = {
  id: 'p2p_broken',
  evaluate(view) {
    const { sample, siblings, inventory } = view;
    if (!sample || sample.error || view.stuck) return unknown;
    const { peers } = sample.parts;
    if (peers === null) return unknown;
    const parts = new Map<string, PartVerdict>();
    for (const { identity } of siblings) {
      const status = peers[identity.index] ?? null;
      if (status === null || !inventory.peers.includes(identity.uuid)) continue;
      const reason = `peer access to device ${identity.index} (${identity.uuid}) is lost, status ${status}`;
      parts.set(`peer ${identity.uuid}`, status === 0 ? ok : { state: 'firing', reason });
    }
    return parts.size === 0 ? absence(view) : { state: 'parts', parts };
  },
};

const fabricCompleted = 3;

const fabricNotReady = valueCheck('fabric_not_ready', ['fabricState', 'fabricStatus'], ([state, status]) =>
  state !== fabricCompleted || status !== 0
    ? `the device has not joined the NVLink fabric (state ${state}, status ${status})`
    : null,
);

const fabricGroups = [
  ['bandwidth is degraded', 0],
  ['a route is being recovered', 2],
  ['a route is unhealthy', 4],
  ['access times out', 6],
] as const;
const bad = 1;

/** Two-bit groups, 1 is bad, 2 good, 0 unknown; then a code for a wrong configuration, of which 1 is fine. */
const fabricDegraded = valueCheck('fabric_degraded', ['fabricHealthMask'], ([mask], _, { level }) => {
  const found: string[] = fabricGroups.filter(([, bit]) => ((mask >> bit) & 3) === bad).map(([text]) => text);
  const configuration = (mask >> 8) & 0xf;
  if (configuration > 1) found.push(`it is configured wrongly (${configuration})`);
  return found.length > level ? `NVLink fabric: ${found.join(', ')}` : null;
});

const c2cLink: DeviceCheck = valueCheck(
  'c2c_link',
  ['c2cLinkCount', 'c2cLinksActive'],
  ([all, active], { history }, limit) => {
    if (all - active > limit.level) return `${all - active} of ${all} links between CPU and GPU are inactive`;
    const perMinute = history.perMinute('c2cErrors', minuteMs) ?? 0;
    return perMinute > companion(limit, 'or_error_delta_per_min')
      ? 'errors on a link between CPU and GPU'
      : null;
  },
  { clears: (view) => holds(view, ['c2cLinkCount', 'c2cLinksActive'], ([all, active]) => active === all) },
);

export const nvlinkChecks: readonly DeviceCheck[] = [
  nvlinkDown,
  nvlinkErrors,
  nvlink5Errors,
  nvlink5Ber,
  p2pBroken,
  fabricNotReady,
  fabricDegraded,
  c2cLink,
];
