/** What a template means for one start: its own flags and those that follow from its other settings. */
import type { TemplateConfig } from '../config/agent-config.js';

/**
 * `degradeArgs` are the flags of the degradation steps in force. Sleep needs a flag and vLLM's dev mode, whose unauthenticated paths the engine's loopback address keeps to this host.
 */
export function effectiveTemplate(asked: TemplateConfig, degradeArgs: readonly string[]): TemplateConfig {
  const template = { ...asked, args: [...asked.args, ...degradeArgs] };
  if (template.sleep === null || template.adapter !== 'vllm') return template;
  const flag = '--enable-sleep-mode';
  return {
    ...template,
    args: template.args.includes(flag) ? template.args : [...template.args, flag],
    env: { ...template.env, VLLM_SERVER_DEV_MODE: '1' },
  };
}
