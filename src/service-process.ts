/**
 * A long-running process of ours as the operating system sees it, agent or coordinator: signals, the parent's pipe, the service
 * manager, the line that says where it listens.
 */
import { InfernodeError, messageOf } from './domain/error-codes.js';
import type { ServiceNotifier } from './native/service-notifier.js';
import type { Logger } from './runtime/logger.js';

export interface RunningService<Config> {
  readonly addresses: object;
  /** The configuration has been validated; fields that differ and hold only after a restart are named. */
  reload(config: Config): { needsRestart: readonly string[] };
}

/** Why a process ends. */
export interface EndCause {
  why: string;
  parentGone: boolean;
  /** Asked for before, so without waiting any more. */
  again: boolean;
}

export interface ServiceProcessOptions<Config, Service extends RunningService<Config>> {
  /** Reads and validates the configuration anew; throws `config-invalid`. */
  loadConfig: () => Config;
  run: (config: Config) => Promise<Service>;
  end: (service: Service, cause: EndCause) => Promise<void>;
  logger: Logger;
  notifier: ServiceNotifier;
  /** Longest that `end` may take, ms; the service manager waits so long. */
  endLimitMs: () => number;
  /** Prints one JSON line with the addresses on stdout when ready. */
  readyJson: boolean;
  /** Ends when standard input closes: the mark of a parent such as `infernode up`. */
  withParent: boolean;
}

/**
 * SIGTERM and SIGINT end it, the second one at once; SIGHUP reloads (a bad configuration is refused in words and the old
 * one stays). Resolves when the service has ended.
 */
export async function runServiceProcess<Config, Service extends RunningService<Config>>(
  options: ServiceProcessOptions<Config, Service>,
): Promise<void> {
  const { logger, notifier, withParent } = options;
  let running: Service | null = null;
  // From the first moment on: a signal that nobody handles ends the process, and a start may take a while.
  process.on('SIGHUP', () => {
    if (running) reload(running, options);
    else logger.warn('SIGHUP during the start is left out; send it again when the service is ready');
  });
  // A parent that is gone is told by standard input; the line that it does not read must not end us before our work is done.
  process.stdout.on('error', () => undefined);
  const service = (running = await options.run(options.loadConfig()));
  const ended = new Promise<void>((resolve) => {
    let again = false;
    const end = (why: string, parentGone: boolean): void => {
      logger.info({ why, again }, 'ending');
      if (!again) notifier.stopping(`ending: ${why}`, options.endLimitMs());
      void options.end(service, { why, parentGone, again }).then(resolve);
      again = true;
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal, false));
    if (withParent) process.stdin.once('close', () => end('the parent is gone', true)).resume();
  });
  // Every timer of ours is unref'ed; listeners hold the process, and this does while none is open.
  const alive = setInterval(() => undefined, 60_000);
  notifier.ready('serving');
  if (options.readyJson) process.stdout.write(`${JSON.stringify({ listening: service.addresses })}\n`);
  await ended;
  notifier.close();
  clearInterval(alive);
  // A parent that has not closed its end would hold this process otherwise.
  if (withParent) process.stdin.destroy();
}

function reload<Config, Service extends RunningService<Config>>(
  service: Service,
  { loadConfig, logger, notifier }: ServiceProcessOptions<Config, Service>,
): void {
  notifier.reloading();
  try {
    const { needsRestart } = service.reload(loadConfig());
    notifier.ready(
      needsRestart.length > 0 ? `serving; restart it to change ${needsRestart.join(', ')}` : 'serving',
    );
  } catch (error) {
    const reason = error instanceof InfernodeError ? error.message : messageOf(error);
    logger.error({ reason }, 'the new configuration is not valid; the old one stays');
    notifier.ready('serving by the old configuration: the new one is not valid');
  }
}
