/** The environment of an engine: the agent's, without what is the agent's alone. */
import type { TemplateConfig } from '../config/agent-config.js';
import type { Environment } from './engine-adapter.js';

/**
 * Variables of the agent that an engine must not see: it would report readiness to systemd in the agent's name, take the
 * agent's sockets or its IPC channel for its own, read its settings, or want a key that nobody was told.
 */
const strippedVariables =
  /^(NOTIFY_SOCKET|LISTEN_(FDS|PID|FDNAMES)|WATCHDOG_(USEC|PID)|JOURNAL_STREAM|NODE_CHANNEL_\w+|INFERNODE_\w+|VLLM_API_KEY)$/;

/** `own` is what the agent sets unless the template says otherwise. */
export function engineEnvironment(
  baseEnv: Environment,
  own: Readonly<Record<string, string>>,
  template: Pick<TemplateConfig, 'env'>,
  deviceUuids: readonly string[],
): Record<string, string> {
  return {
    ...inheritable(baseEnv),
    ...own,
    ...template.env,
    // Empty hides every GPU from an engine that was given none.
    CUDA_VISIBLE_DEVICES: deviceUuids.join(','),
  };
}

function inheritable(env: Environment): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !strippedVariables.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
