import type { TemplateConfig } from '../config/agent-config.js';
import { systemClock, type Clock } from '../runtime/clock.js';
import type { EngineAdapter } from './engine-adapter.js';
import { OpenAiAdapter } from './openai-adapter.js';
import { openAiServers } from './openai-servers.js';
import { VllmAdapter } from './vllm-adapter.js';

/** One adapter per kind of server, for the whole process: what was learned of a program is learned once. */
export function createAdapters(clock: Clock): Readonly<Record<TemplateConfig['adapter'], EngineAdapter>> {
  return {
    vllm: new VllmAdapter(clock),
    sglang: new OpenAiAdapter(openAiServers.sglang),
    tgi: new OpenAiAdapter(openAiServers.tgi),
    'llama.cpp': new OpenAiAdapter(openAiServers['llama.cpp']),
  };
}

const adapters = createAdapters(systemClock);

export function adapterOf({ adapter }: Pick<TemplateConfig, 'adapter'>): EngineAdapter {
  return adapters[adapter];
}

/** A program takes seconds to tell its flags; an engine that was taken over may need them at its next start. */
export function learnPrograms(templates: readonly (TemplateConfig | undefined)[]): void {
  for (const template of templates)
    // Why it cannot be run is said by the start that needs it.
    if (template)
      adapterOf(template)
        .learn(template, process.env)
        .catch(() => undefined);
}
