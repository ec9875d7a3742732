// Loaded into the agent before its own code (`--import`): a finer look at its event loop than it takes itself, and nothing until it is
// asked. The first SIGUSR2 starts it; each further one writes what was seen since the one before to the file that LOOP_DELAY_FILE names.
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How often it looks. A delay is what a look comes later than that. */
export const resolutionMs = 1;

const { LOOP_DELAY_FILE: file } = process.env;
delete process.env.LOOP_DELAY_FILE;
let delay = null;

if (file)
  process.on('SIGUSR2', () => {
    if (!delay) {
      delay = monitorEventLoopDelay({ resolution: resolutionMs });
      delay.enable();
      return;
    }
    const later = (ns) => Math.max(0, ns / 1e6 - resolutionMs);
    const seen = {
      looks: delay.count,
      p50Ms: later(delay.percentile(50)),
      p99Ms: later(delay.percentile(99)),
      maxMs: later(delay.max),
    };
    delay.reset();
    writeFileSync(`${file}.new`, JSON.stringify(seen));
    renameSync(`${file}.new`, file);
  });
