/** What a template means for one start: its own flags and those that follow from its other settings. */
import type { TemplateConfig } from '../config/agent-config.js';

/** Sleep needs a flag and vLLM's dev mode, whose unauthenticated paths the engine's loopback address keeps to this host. */
export function effectiveTemplate(template: TemplateConfig): TemplateConfig {
  if (template.sleep === null || template.adapter !== 'vllm') return template;
  const flag = '--enable-sleep-mode';
  return {
    ...template,
    args: template.args.includes(flag) ? template.args : [...template.args, flag],
    env: { ...template.env, VLLM_SERVER_DEV_MODE: '1' },
  };
}
