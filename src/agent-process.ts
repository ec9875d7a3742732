/** The agent as an operating-system process: signals, the parent's pipe, the line that says where it listens. */
import { runAgent, type RunAgentOptions, type RunningAgent } from './agent.js';
import type { AgentConfig } from './config/agent-config.js';
import { InfernodeError, messageOf } from './domain/error-codes.js';
import type { Logger } from './runtime/logger.js';

export interface AgentProcessOptions extends RunAgentOptions {
  /** Reads and validates the configuration anew; throws `config-invalid`. */
  loadConfig: () => AgentConfig;
  /** Prints one JSON line with the addresses on stdout when ready. */
  readyJson: boolean;
  /** Ends, and stops the engines, when standard input closes: the mark of a parent such as `infernode up`. */
  withParent: boolean;
}

/**
 * The agent as a process: SIGTERM and SIGINT end it and leave the engines running, SIGHUP reloads (a bad configuration
 * is refused in words and the old one stays). Resolves when the agent has ended.
 */
export async function runAgentProcess(options: AgentProcessOptions): Promise<void> {
  const { loadConfig, logger } = options;
  let running: RunningAgent | null = null;
  // From the first moment on: a signal that nobody handles ends the process, and a start may take a while.
  process.on('SIGHUP', () => {
    if (running) reloadAgent(running, loadConfig, logger);
    else logger.warn('SIGHUP during the start is left out; send it again when the agent is ready');
  });
  // A parent that is gone is told by standard input; the line that it does not read must not end us before the engines.
  process.stdout.on('error', () => undefined);
  const agent = (running = await runAgent(loadConfig(), options));
  const ended = new Promise<void>((resolve) => {
    const end = (why: string, stopEngines: boolean): void => {
      logger.info({ why, stopEngines }, 'ending');
      void agent.close({ stopEngines }).then(resolve);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(signal, false));
    if (options.withParent) process.stdin.once('close', () => end('the parent is gone', true)).resume();
  });
  // Every timer of ours is unref'ed; listeners hold the process, and this does while none is open.
  const alive = setInterval(() => undefined, 60_000);
  if (options.readyJson) process.stdout.write(`${JSON.stringify({ listening: agent.addresses })}\n`);
  await ended;
  clearInterval(alive);
  // A parent that has not closed its end would hold this process otherwise.
  if (options.withParent) process.stdin.destroy();
}

function reloadAgent(agent: RunningAgent, loadConfig: () => AgentConfig, logger: Logger): void {
  try {
    agent.reload(loadConfig());
  } catch (error) {
    const reason = error instanceof InfernodeError ? error.message : messageOf(error);
    logger.error({ reason }, 'the new configuration is not valid; the old one stays');
  }
}
