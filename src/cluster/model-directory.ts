/**
 * From the names that clients use to the placement that serves them. Engines of one model share one placement, under the
 * first name that each of them serves; their other names (adapters too) and the configured aliases lead there. The gateway
 * asks here for every request; state comes from the endpoint registry, placements hear of it before anybody else.
 *
 * It is the gateway's `GatewayRouting`; the type is not imported, because the gateway is above.
 */
import type { ModelConfig } from '../config/coordinator-config.js';
import type { EndpointState } from '../domain/endpoint.js';
import { standingRefusal } from '../placement/eligibility.js';
import type { ModelPlacement } from '../placement/placement-types.js';
import type { Logger } from '../runtime/logger.js';
import { emitTo } from './emit.js';
import type { EndpointNews, EndpointRegistry } from './endpoint-registry.js';

/** A placement whose rule can change while it runs. */
export interface DirectoryPlacement extends ModelPlacement {
  useStrategy(strategy: ModelConfig['strategy']): void;
  useHealthRule(rule: ModelConfig['healthRule']): void;
}

export interface ModelDirectoryOptions<P extends DirectoryPlacement> {
  models: Readonly<Record<string, ModelConfig>>;
  /** What holds for a model that is served and not configured. */
  unconfigured: ModelConfig;
  createPlacement: (model: string, config: ModelConfig) => P;
  registry: Pick<EndpointRegistry, 'get' | 'onNews'>;
  /** Wakes an engine of the model if one sleeps; true while one is on its way. Absent: engines that sleep are left alone. */
  wake?: (model: string) => boolean;
  logger: Logger;
}

/** One model: the first name of its engines, or a configured one that nobody serves yet. */
export interface DirectoryEntry<P extends DirectoryPlacement = DirectoryPlacement> {
  readonly model: string;
  readonly config: ModelConfig;
  readonly placement: P;
  readonly endpointIds: ReadonlySet<string>;
}

interface Entry<P extends DirectoryPlacement> extends DirectoryEntry<P> {
  config: ModelConfig;
  readonly endpointIds: Set<string>;
}

interface Resolved {
  model: string;
  placement: ModelPlacement;
}

const isAtRest = ({ engineState, deviceHealth }: EndpointState): boolean =>
  engineState === 'asleep' || (engineState === 'stopped' && deviceHealth !== 'unhealthy');

export class ModelDirectory<P extends DirectoryPlacement = DirectoryPlacement> {
  readonly #options: ModelDirectoryOptions<P>;
  readonly #entries = new Map<string, Entry<P>>();
  /** Model by endpoint id. */
  readonly #modelOf = new Map<string, string>();
  readonly #evictListeners = new Set<(endpointId: string, reason: string) => void>();
  readonly #changeListeners = new Set<() => void>();
  #models: Readonly<Record<string, ModelConfig>>;
  /** Built when asked for after a change of names. */
  #names: { resolved: Map<string, Resolved>; listed: string[] } | null = null;

  constructor(options: ModelDirectoryOptions<P>) {
    this.#options = options;
    this.#models = options.models;
    for (const model of Object.keys(options.models)) this.#entry(model);
    options.registry.onNews((news) => this.#apply(news));
  }

  /** Served models, then every other name. */
  modelNames(): readonly string[] {
    return this.#index().listed;
  }

  /** A configured model without engines resolves to an empty placement: 503 and "try again", not 404. */
  resolve(requested: string): Resolved | null {
    return this.#index().resolved.get(requested) ?? null;
  }

  endpoint(id: string): EndpointState | undefined {
    return this.#options.registry.get(id);
  }

  /** A request waits for the name and nobody may take it. */
  wake(name: string): boolean {
    const model = this.modelNamed(name);
    return model !== undefined && (this.#options.wake?.(model) ?? false);
  }

  /** The model whose engines serve the name: aliases and adapters lead to it. */
  modelNamed(name: string): string | undefined {
    const placement = this.resolve(name)?.placement;
    return placement && [...this.#entries.values()].find((entry) => entry.placement === placement)?.model;
  }

  onEvict(listener: (endpointId: string, reason: string) => void): () => void {
    this.#evictListeners.add(listener);
    return () => this.#evictListeners.delete(listener);
  }

  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  entries(): readonly DirectoryEntry<P>[] {
    return [...this.#entries.values()].sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  /**
   * How many engines of each model can take requests, and how many there should be: `minReadyEngines`, else one, unless all
   * rest on purpose (asleep, or stopped on a device that is well).
   */
  readiness(): { model: string; placement: ModelPlacement; ready: number; least: number }[] {
    return [...this.#entries.values()].map(({ model, placement, config, endpointIds }) => {
      const states = [...endpointIds].flatMap((id) => this.endpoint(id) ?? []);
      const ready = states.filter((state) => standingRefusal(state) === null).length;
      return {
        ...{ model, placement, ready },
        least: config.minReadyEngines ?? (states.every(isAtRest) ? 0 : 1),
      };
    });
  }

  modelOf(endpointId: string): string | undefined {
    return this.#modelOf.get(endpointId);
  }

  placementOf(endpointId: string): P | undefined {
    return this.#entries.get(this.#modelOf.get(endpointId) ?? '')?.placement;
  }

  /** Aliases and further served names that lead to the model. */
  otherNamesOf(model: string): string[] {
    const placement = this.#entries.get(model)?.placement;
    return [...this.#index().resolved]
      .filter(([name, resolved]) => name !== model && resolved.placement === placement)
      .map(([name]) => name);
  }

  /** Names, strategies and objectives change at once; placements, with their rings, loads and memory, stay. */
  reconfigure(models: Readonly<Record<string, ModelConfig>>): void {
    this.#models = models;
    for (const entry of [...this.#entries.values()]) {
      entry.config = this.#configOf(entry.model);
      entry.placement.useStrategy(entry.config.strategy);
      entry.placement.useHealthRule(entry.config.healthRule);
      this.#dropIfUnused(entry);
    }
    for (const model of Object.keys(models)) this.#entry(model);
    this.#names = null;
    emitTo(this.#changeListeners, this.#options.logger);
  }

  /** All placements know the news before any request is moved, or it could move to a neighbour that is lost as well. */
  #apply({ changed, removed, evicted }: EndpointNews): void {
    const { logger } = this.#options;
    for (const { id } of removed) this.#leave(id);
    for (const endpoint of changed) this.#upsert(endpoint);
    this.#names = null;
    for (const { id, reason } of evicted) emitTo(this.#evictListeners, logger, id, reason);
    emitTo(this.#changeListeners, logger);
  }

  /** An engine that names no model yet is no endpoint of any. */
  #upsert(endpoint: EndpointState): void {
    const model = endpoint.servedModels[0];
    if (this.#modelOf.get(endpoint.id) !== model) this.#leave(endpoint.id);
    if (model === undefined) return;
    const entry = this.#entry(model);
    this.#modelOf.set(endpoint.id, model);
    entry.endpointIds.add(endpoint.id);
    entry.placement.upsert(endpoint);
  }

  #leave(id: string): void {
    const entry = this.#entries.get(this.#modelOf.get(id) ?? '');
    this.#modelOf.delete(id);
    if (!entry) return;
    entry.placement.leave(id);
    entry.endpointIds.delete(id);
    this.#dropIfUnused(entry);
  }

  #entry(model: string): Entry<P> {
    const known = this.#entries.get(model);
    if (known) return known;
    const config = this.#configOf(model);
    const placement = this.#options.createPlacement(model, config);
    const entry: Entry<P> = { model, config, placement, endpointIds: new Set() };
    this.#entries.set(model, entry);
    this.#names = null;
    return entry;
  }

  #configOf(model: string): ModelConfig {
    return Object.hasOwn(this.#models, model)
      ? (this.#models[model] as ModelConfig)
      : this.#options.unconfigured;
  }

  #dropIfUnused(entry: Entry<P>): void {
    if (entry.endpointIds.size === 0 && !Object.hasOwn(this.#models, entry.model))
      this.#entries.delete(entry.model);
  }

  #index(): { resolved: Map<string, Resolved>; listed: string[] } {
    this.#names ??= this.#buildNames();
    return this.#names;
  }

  /**
   * Of several meanings of a name the first counts: a model that is served, a configured alias, a further name that
   * engines serve, a configured model that nobody serves. A further name is passed on as it is, for it may be an adapter.
   */
  #buildNames(): { resolved: Map<string, Resolved>; listed: string[] } {
    const entries = this.entries() as readonly Entry<P>[];
    const served = entries.filter(({ endpointIds }) => endpointIds.size > 0);
    const resolved = new Map<string, Resolved>();
    const add = (name: string, model: string, { placement }: Entry<P>): void => {
      if (!resolved.has(name)) resolved.set(name, { model, placement });
    };
    for (const entry of served) add(entry.model, entry.model, entry);
    for (const entry of served) for (const alias of entry.config.aliases) add(alias, entry.model, entry);
    for (const entry of served) for (const name of this.#furtherNames(entry)) add(name, name, entry);
    const listed = [...resolved.keys()];
    for (const entry of entries)
      for (const name of [entry.model, ...entry.config.aliases]) add(name, entry.model, entry);
    return { resolved, listed };
  }

  #furtherNames({ endpointIds }: Entry<P>): Set<string> {
    return new Set([...endpointIds].flatMap((id) => this.endpoint(id)?.servedModels.slice(1) ?? []));
  }
}
