import type { CoordinatorConfig } from './config/coordinator-config.js';
import { runCoordinator, type RunCoordinatorOptions } from './coordinator.js';
import { ServiceNotifier } from './native/service-notifier.js';
import { runServiceProcess } from './service-process.js';

export interface CoordinatorProcessOptions extends RunCoordinatorOptions {
  loadConfig: () => CoordinatorConfig;
  readyJson: boolean;
  withParent: boolean;
}

/** What closing takes beside the drain. */
const closeMarginMs = 10_000;

/** The coordinator as a process: the first signal drains, the second ends at once. */
export function runCoordinatorProcess(options: CoordinatorProcessOptions): Promise<void> {
  let drainTimeoutMs = 0;
  const loadConfig = (): CoordinatorConfig => {
    const config = options.loadConfig();
    ({ drainTimeoutMs } = config.gateway.limits);
    return config;
  };
  return runServiceProcess({
    ...options,
    loadConfig,
    run: (config) => runCoordinator(config, options),
    end: (coordinator, { why, again }) => {
      if (again) coordinator.destroy(why);
      return coordinator.close();
    },
    endLimitMs: () => drainTimeoutMs + closeMarginMs,
    notifier: new ServiceNotifier(options),
  });
}
