import { runAgent, type RunAgentOptions } from './agent.js';
import type { AgentConfig } from './config/agent-config.js';
import { ServiceNotifier } from './native/service-notifier.js';
import { runServiceProcess } from './service-process.js';

export interface AgentProcessOptions extends RunAgentOptions {
  loadConfig: () => AgentConfig;
  readyJson: boolean;
  withParent: boolean;
}

/** Engines first get their grace; an agent that keeps them ends in well under a second. */
const endLimitMs = 60_000;

/** The agent as a process: a signal ends it and leaves the engines running, the end of its parent stops them too. */
export function runAgentProcess(options: AgentProcessOptions): Promise<void> {
  return runServiceProcess({
    ...options,
    run: (config) => runAgent(config, options),
    end: (agent, { parentGone }) => agent.close({ stopEngines: parentGone }),
    endLimitMs: () => endLimitMs,
    notifier: new ServiceNotifier(options),
  });
}
