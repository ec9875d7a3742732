/**
 * What has happened to one device before, over restarts and boots: the memory that stops reset loops and tells a broken part from a broken
 * program. A fault that comes back after it was repaired climbs the ladder of actions by one step each time; application faults that keep
 * coming turn into the suspicion of hardware. Bounded; wall time, because a week outlives any process.
 */
import { actionLadder, type Action } from '../domain/health.js';
import type { ClassifiedFault } from './classify-fault.js';
import { faultOfCheck } from './classify-finding.js';
import type { CheckSettings } from './condition-book.js';
import { checkRow, compareSeverity } from './health-data.js';

const dayMs = 24 * 3_600_000;
const weekMs = 7 * dayMs;
/** One crash of a program writes a line per SM. */
const oneCrashMs = 3_000;
const maxCodes = 32;
const maxAppFaults = 64;
/** The data's list for `xid_app_repeat`. */
const appXids: ReadonlySet<number> = new Set([13, 31, 32, 43, 69, 94]);

export interface StoredRepeats {
  codes: { xid: number; repeats: number; lastWallMs: number; repaired: boolean }[];
  app: { xid: number; wallMs: number; program: string | null; place: string | null }[];
}

export class RepeatMemory {
  #codes: StoredRepeats['codes'];
  #app: StoredRepeats['app'];

  constructor(stored?: StoredRepeats) {
    this.#codes = [...(stored?.codes ?? [])];
    this.#app = [...(stored?.app ?? [])];
  }

  stored(): StoredRepeats {
    return { codes: this.#codes.map((code) => ({ ...code })), app: [...this.#app] };
  }

  get isEmpty(): boolean {
    return this.#codes.length === 0 && this.#app.length === 0;
  }

  /** There is evidence of a reset or a boot: the next of these codes is a repeat. */
  noteRepaired(): void {
    for (const code of this.#codes) code.repaired = true;
  }

  /** An operator takes the responsibility: what was before does not count any more. */
  forget(check: string): void {
    if (check === 'xid_app_repeat') this.#app = [];
    if (check === 'xid_after_reset' || check === 'xid') this.#codes = [];
  }

  /** Notes an Xid; answers with the fault as it is after all that was before, and with what it proves beside. */
  note(fault: ClassifiedFault, wallMs: number, settings: CheckSettings): ClassifiedFault[] {
    if (fault.xid === null) return [fault];
    const suspicion = appXids.has(fault.xid) ? this.#noteApp(fault, wallMs, settings) : null;
    if (!isOfDevice(fault)) return suspicion ? [fault, suspicion] : [fault];
    const repeats = this.#noteCode(fault.xid, wallMs);
    const climbed = repeats === 0 ? fault : climb(fault, repeats);
    const limit = levelOf('xid_after_reset', settings);
    const loops = compareSeverity(fault.severity, 'fatal') >= 0 && repeats >= limit;
    const loop = loops ? afterReset(fault, repeats) : null;
    return [climbed, suspicion, loop].filter((one) => one !== null);
  }

  #noteCode(xid: number, wallMs: number): number {
    const before = this.#codes.find((code) => code.xid === xid);
    const recent = before !== undefined && wallMs - before.lastWallMs <= weekMs;
    const repeats = recent ? before.repeats + (before.repaired ? 1 : 0) : 0;
    this.#codes = this.#codes.filter((code) => code.xid !== xid);
    this.#codes.push({ xid, repeats, lastWallMs: wallMs, repaired: false });
    this.#codes.splice(0, this.#codes.length - maxCodes);
    return repeats;
  }

  #noteApp(fault: ClassifiedFault, wallMs: number, settings: CheckSettings): ClassifiedFault | null {
    const xid = fault.xid ?? 0;
    this.#app = this.#app.filter((one) => wallMs - one.wallMs < dayMs);
    const last = this.#app.findLast((one) => one.xid === xid);
    if (last && Math.abs(wallMs - last.wallMs) < oneCrashMs) return null;
    const place = /\(?GPC (\d{1,3}), TPC (\d{1,3})/.exec(fault.evidence);
    const program = /\bname='?([^,<>']{1,64})/.exec(fault.evidence)?.[1]?.trim() ?? null;
    this.#app.push({ xid, wallMs, program, place: place ? `GPC ${place[1]}, TPC ${place[2]}` : null });
    this.#app.splice(0, this.#app.length - maxAppFaults);
    const reason = this.#suspicion(settings);
    return reason === null
      ? null
      : {
          ...faultOfCheck('xid_app_repeat', reason, fault.evidence, fault.observedAtMs),
          deviceUuid: fault.deviceUuid,
        };
  }

  #suspicion(settings: CheckSettings): string | null {
    const { or_same_gpc_tpc: samePlace, or_different_programs: differentPrograms } =
      checkRow('xid_app_repeat').threshold;
    if (this.#app.length >= levelOf('xid_app_repeat', settings))
      return `${this.#app.length} application faults within 24 hours`;
    const programs = new Set(this.#app.flatMap(({ program }) => program ?? []));
    if (typeof differentPrograms === 'number' && programs.size >= differentPrograms)
      return `application faults of ${programs.size} different programs within 24 hours`;
    const places = this.#app.flatMap(({ place }) => place ?? []);
    const same = places.find(
      (place) => places.filter((one) => one === place).length >= Number(samePlace ?? Infinity),
    );
    return same === undefined ? null : `application faults at the same place of the chip (${same})`;
  }
}

/** Only these climb: a program that crashes again is no reason to reset a GPU. */
function isOfDevice({ action }: ClassifiedFault): boolean {
  return actionLadder.indexOf(action) >= actionLadder.indexOf('reset-device');
}

function climb(fault: ClassifiedFault, steps: number): ClassifiedFault {
  const top = actionLadder.length - 1;
  const action: Action =
    actionLadder[Math.min(top, actionLadder.indexOf(fault.action) + steps)] ?? 'replace-hardware';
  const times = steps === 1 ? 'once' : `${steps} times`;
  return { ...fault, action, reason: `${fault.reason}; it came back ${times} after a repair` };
}

function afterReset(fault: ClassifiedFault, repeats: number): ClassifiedFault {
  const reason = `Xid ${fault.xid} came back ${repeats} times after a reset or reboot within 7 days`;
  const own = faultOfCheck('xid_after_reset', reason, fault.evidence, fault.observedAtMs);
  return { ...own, deviceUuid: fault.deviceUuid, drain: 'drain-now' };
}

function levelOf(check: string, settings: CheckSettings): number {
  const { value } = checkRow(check).threshold;
  return settings[check]?.threshold ?? (typeof value === 'number' ? value : Number.POSITIVE_INFINITY);
}
