/** What differs between kinds of servers, behind one interface: how to start them and what their pages mean. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineLoad } from '../domain/engine.js';

export interface EngineCommand {
  argv: string[];
  env: Record<string, string>;
  /** Of the program, when it told. */
  version: string | null;
  /** What was changed or left out of the template's wishes, one sentence each. */
  notes: string[];
}

/** Where an engine is to run. */
export interface EnginePlace {
  host: string;
  port: number;
  /** That clients must show; `null` on loopback. Never on a command line. */
  apiKey: string | null;
  /** First of the ports that are the engine's own for talking to its workers. */
  internalPort: number;
  deviceUuids: readonly string[];
  /** Directory of the compile cache, or `null` to leave it to the engine. */
  compileCacheDir: string | null;
  /** Flags behind those of the template, in the words of the newest release. */
  extraArgs: readonly string[];
}

/** A share of a device's total memory, or bytes on each device. */
export type MemoryNeed = { ratio: number } | { bytes: number };

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EngineAdapter {
  /**
   * The command for the program that is installed; no shell ever sees it. `baseEnv` is the agent's own environment. Asks the
   * program once for its version and flags. Rejects with `config-invalid` when it is missing or lacks a flag, by name.
   */
  command(template: TemplateConfig, place: EnginePlace, baseEnv: Environment): Promise<EngineCommand>;
  /** The program's version, when it tells. Asked ahead of a start, no start waits for the answer. Rejects as `command` does. */
  learn(template: TemplateConfig, baseEnv: Environment): Promise<string | null>;
  /** Free memory that it insists on when it starts; `null` when that is not known. */
  memoryNeed(template: TemplateConfig, version: string | null): MemoryNeed | null;
  servedModels(template: TemplateConfig): string[];
  /** Answers 200 when requests can be served; anything else, or nothing, before that. */
  readonly healthPath: string;
  readonly metricsPath: string;
  /** True when 503 with an empty body on the health path means that the engine is dead. */
  readonly tellsDeath: boolean;
  /** `null` when the page has none of the series. */
  parseLoad(metricsPage: string): EngineLoad | null;
  parseProgress(metricsPage: string): EngineProgress;
}

/** `steps` of at most `tokens` each. */
export type StepSizes = readonly { tokens: number; steps: number }[];

/** What a page tells of movement and pressure. */
export interface EngineProgress {
  /** A counter that moves with every step that did work; `null` when the page has none. */
  steps: number | null;
  /** How many steps handled how many tokens since the server's start, cumulative, in rising order; `null`: it does not tell. */
  stepSizes: StepSizes | null;
  preemptions: number | null;
  /** It has been put to sleep: requests wait on purpose. */
  asleep: boolean;
}
