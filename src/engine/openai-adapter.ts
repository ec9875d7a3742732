/** Any OpenAI-compatible server that a row of `openai-servers.ts` describes. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { EngineLoad } from '../domain/engine.js';
import { findProgram } from './ask-program.js';
import type {
  EngineAdapter,
  EngineCommand,
  EnginePlace,
  EngineProgress,
  Environment,
} from './engine-adapter.js';
import { engineEnvironment } from './engine-environment.js';
import type { OpenAiServer } from './openai-servers.js';
import { valuesOfSeries } from './read-series.js';

export class OpenAiAdapter implements EngineAdapter {
  readonly healthPath: string;
  readonly metricsPath: string;
  /** Only vLLM promises that a 503 without a body means death. */
  readonly tellsDeath = false;
  readonly #server: OpenAiServer;

  constructor(server: OpenAiServer) {
    this.#server = server;
    this.healthPath = server.healthPath;
    this.metricsPath = server.metricsPath;
  }

  async command(template: TemplateConfig, place: EnginePlace, baseEnv: Environment): Promise<EngineCommand> {
    const [name] = template.servedModelNames;
    const values: Record<string, string> = {
      model: template.model,
      host: place.host,
      port: String(place.port),
      internalPort: String(place.internalPort),
      name: name ?? template.model,
    };
    const words = [...this.#server.words, ...(name === undefined ? [] : this.#server.nameWords)];
    const filled = words.map((word) => word.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? ''));
    const env = engineEnvironment(baseEnv, { NO_COLOR: '1' }, template, place.deviceUuids);
    const program = findProgram(template.command[0] ?? '', env);
    return {
      argv: [program, ...template.command.slice(1), ...filled, ...template.args],
      env,
      version: null,
      notes: [],
    };
  }

  async learn(template: TemplateConfig, baseEnv: Environment): Promise<null> {
    findProgram(template.command[0] ?? '', engineEnvironment(baseEnv, {}, template, []));
    return null;
  }

  memoryNeed(): null {
    return null;
  }

  servedModels(template: TemplateConfig): string[] {
    return template.servedModelNames.length > 0 ? [...template.servedModelNames] : [template.model];
  }

  parseLoad(page: string): EngineLoad | null {
    const running = this.#read(page, 'running');
    const waiting = this.#read(page, 'waiting');
    if (running === null && waiting === null) return null;
    const ratios = this.#values(page, 'kvCacheUsageRatio');
    return {
      running: running ?? 0,
      waiting: waiting ?? 0,
      // Of several ranks, the fullest decides.
      kvCacheUsageRatio: ratios.length > 0 ? Math.max(...ratios) : null,
      kvCacheBlocks: null,
      kvBlockTokens: null,
    };
  }

  parseProgress(page: string): EngineProgress {
    return { steps: this.#read(page, 'steps'), stepSizes: null, preemptions: null, asleep: false };
  }

  /** Sum over the labels of the first name that the page has, or `null`. */
  #read(page: string, what: keyof OpenAiServer['metrics']): number | null {
    const values = this.#values(page, what);
    return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) : null;
  }

  #values(page: string, what: keyof OpenAiServer['metrics']): number[] {
    const found = this.#server.metrics[what].map((name) => valuesOfSeries(page, name));
    return found.find((values) => values.length > 0) ?? [];
  }
}
