/**
 * The attached engines of the node: those of the configuration stay, those that somebody finds while the agent runs come and go. An id that is
 * taken already is left to its owner.
 */
import { attachedSchema, type AttachedEngineConfig } from '../config/agent-config.js';
import type { EngineStatus } from '../domain/engine.js';
import { AttachedEngine } from './attached-engine.js';
import type { DeviceClaims } from './device-claims.js';
import type { EngineContext } from './engine-context.js';
import type { EngineRoster } from './engine-roster.js';
import { holdOf } from './hold-engine.js';

export interface FoundEngine {
  id: string;
  url: string;
  /** UUIDs or indices. */
  devices: readonly string[];
  /** Whoever runs it is ending it: no new work. */
  ending: boolean;
}

/** On one node; more is a selector that selects too much. */
const maxFound = 64;

export class AttachedEngines {
  readonly #roster: EngineRoster;
  readonly #claims: DeviceClaims;
  readonly #context: EngineContext;
  readonly #found = new Map<string, { engine: AttachedEngine; url: string }>();
  #wanted: readonly FoundEngine[] = [];
  #begun = false;

  constructor(roster: EngineRoster, claims: DeviceClaims, context: EngineContext) {
    this.#roster = roster;
    this.#claims = claims;
    this.#context = context;
  }

  /** Of the configuration. Not looked at before its `start()`. */
  attach(config: AttachedEngineConfig, deviceUuids: string[]): AttachedEngine {
    const onChange = (status: EngineStatus): void => this.#roster.changed(status);
    return this.#roster.add(new AttachedEngine({ config, deviceUuids, context: this.#context, onChange }));
  }

  /** From now on what was found counts: the ids of all others are known. */
  begin(): void {
    this.#begun = true;
    this.update(this.#wanted);
  }

  /** Takes nobody any more. */
  end(): void {
    this.#begun = false;
  }

  /** These were found and no others. */
  update(all: readonly FoundEngine[]): void {
    this.#wanted = all;
    if (!this.#begun) return;
    const wanted = new Map(all.slice(0, maxFound).map((one) => [one.id, one]));
    if (all.length > maxFound)
      this.#context.logger.warn({ found: all.length, taken: maxFound }, 'found more engines than a node has');
    for (const [id, { engine, url }] of this.#found) {
      if (wanted.get(id)?.url === url) continue;
      this.#found.delete(id);
      this.#roster.remove(engine);
    }
    for (const one of wanted.values()) {
      const engine = this.#found.get(one.id)?.engine ?? this.#take(one);
      if (!engine) continue;
      engine.refs = one.devices;
      engine.updateDevices(this.#claims.resolveAll(one.devices));
      engine.setHold(holdOf(this.#claims.devicesOf(engine), engine.hold));
      engine.setEnding(one.ending);
    }
  }

  #take({ id, url }: FoundEngine): AttachedEngine | null {
    const config = attachedSchema.safeParse({ id, origin: 'attached', url });
    if (!config.success || this.#roster.get(id)) {
      const reason = config.success ? 'its id is taken' : 'no configuration could name it so';
      this.#context.logger.warn(
        { engine: id.slice(0, 128), url, reason },
        'an engine was found and left alone',
      );
      return null;
    }
    const engine = this.attach(config.data, []);
    this.#found.set(id, { engine, url });
    void engine.start();
    return engine;
  }
}
