/** The coordinator as an operating-system process: signals, the parent's pipe, the line that says where it listens. */
import type { CoordinatorConfig } from './config/coordinator-config.js';
import { runCoordinator, type RunCoordinatorOptions, type RunningCoordinator } from './coordinator.js';
import { InfernodeError, messageOf } from './domain/error-codes.js';
import type { Logger } from './runtime/logger.js';

export interface CoordinatorProcessOptions extends RunCoordinatorOptions {
  /** Reads and validates the configuration anew; throws `config-invalid`. */
  loadConfig: () => CoordinatorConfig;
  /** Prints one JSON line with the addresses on stdout when ready. */
  readyJson: boolean;
  /** Ends when standard input closes: the mark of a parent such as `infernode up`. */
  withParent: boolean;
}

/**
 * SIGTERM and SIGINT drain, the second one ends at once; SIGHUP reloads (a bad configuration is refused in words and the
 * old one stays). Resolves when the coordinator has ended.
 */
export async function runCoordinatorProcess(options: CoordinatorProcessOptions): Promise<void> {
  const { loadConfig, logger } = options;
  let running: RunningCoordinator | null = null;
  // From the first moment on: a signal that nobody handles ends the process, and the start waits for agents.
  process.on('SIGHUP', () => {
    if (running) reloadCoordinator(running, loadConfig, logger);
    else logger.warn('SIGHUP during the start is left out; send it again when the coordinator is ready');
  });
  // A parent that is gone is told by standard input; the line that it does not read must not end us.
  process.stdout.on('error', () => undefined);
  const coordinator = (running = await runCoordinator(loadConfig(), options));
  const ended = new Promise<void>((resolve) => {
    let asked = false;
    const end = (why: string): void => {
      logger.info({ why, atOnce: asked }, 'ending');
      if (asked) coordinator.destroy(why);
      asked = true;
      void coordinator.close().then(resolve);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal));
    if (options.withParent) process.stdin.once('close', () => end('the parent is gone')).resume();
  });
  // Every timer of ours is unref'ed; listeners hold the process, and this does while none is open.
  const alive = setInterval(() => undefined, 60_000);
  if (options.readyJson) process.stdout.write(`${JSON.stringify({ listening: coordinator.addresses })}\n`);
  await ended;
  clearInterval(alive);
  // An open pipe from the parent would hold a process that a signal has ended.
  if (options.withParent) process.stdin.destroy();
}

function reloadCoordinator(
  coordinator: RunningCoordinator,
  loadConfig: () => CoordinatorConfig,
  logger: Logger,
): void {
  try {
    coordinator.reload(loadConfig());
  } catch (error) {
    const reason = error instanceof InfernodeError ? error.message : messageOf(error);
    logger.error({ reason }, 'the new configuration is not valid; the old one stays');
  }
}
