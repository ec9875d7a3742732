/** What differs between kinds of servers, behind one interface: how to start them and what their pages mean. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineLoad } from '../domain/engine.js';
import { VllmAdapter } from './vllm-adapter.js';

export interface EngineCommand {
  argv: string[];
  env: Record<string, string>;
}

export interface EngineAdapter {
  /** `baseEnv` is the agent's own environment; no shell ever sees the command. */
  command(
    template: TemplateConfig,
    place: { host: string; port: number; deviceUuids: readonly string[] },
    baseEnv: Readonly<Record<string, string | undefined>>,
  ): EngineCommand;
  servedModels(template: TemplateConfig): string[];
  /** Answers 200 when requests can be served; anything else, or nothing, before that. */
  readonly healthPath: string;
  readonly metricsPath: string;
  /** `null` when the page has none of the series. */
  parseLoad(metricsPage: string): EngineLoad | null;
  parseProgress(metricsPage: string): EngineProgress;
}

/** What a page tells of movement and pressure. */
export interface EngineProgress {
  /** A counter that moves with every step that did work; `null` when the page has none. */
  steps: number | null;
  preemptions: number | null;
  /** It has been put to sleep: requests wait on purpose. */
  asleep: boolean;
}

const adapters: Record<TemplateConfig['adapter'], EngineAdapter> = { vllm: new VllmAdapter() };

export function adapterOf(template: Pick<TemplateConfig, 'adapter'>): EngineAdapter {
  return adapters[template.adapter];
}
