/** The record of one engine, changed and written in one move; what it tells others shows in the same turn. */
import { addCordon, removeCordon } from '../domain/cordon.js';
import type { EngineRecord, EngineStore } from './engine-record.js';
import type { EngineView } from './engine-view.js';

/** On a hung engine until it is proven to be gone. */
const hangCordon = 'health:engine-hang';

export class KeptRecord {
  /** The next launch is one after an end that nobody asked for. */
  startsAgain = false;

  constructor(
    readonly record: EngineRecord,
    readonly store: EngineStore,
    readonly view: EngineView,
  ) {}

  want(wanted: EngineRecord['wanted']): void {
    this.record.wanted = wanted;
    this.save();
  }

  /** Counts a launch; true when it follows an end that nobody asked for. Written by the launch itself. */
  countLaunch(): boolean {
    this.record.incarnation += 1;
    if (this.startsAgain) this.record.restarts += 1;
    return this.startsAgain;
  }

  updateCordons(cordons: EngineRecord['cordons']): void {
    this.record.cordons = cordons;
    this.save();
    this.view.update({ cordons });
  }

  cordonHung(reason: string, sinceMs: number): void {
    this.updateCordons(addCordon(this.record.cordons, { holder: hangCordon, reason, sinceMs }));
  }

  uncordonHung(): void {
    this.updateCordons(removeCordon(this.record.cordons, hangCordon));
  }

  save(): void {
    this.store.saveSoon(this.record);
  }
}
