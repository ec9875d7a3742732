#!/usr/bin/env node
// The one program `infernode`. The simulated engine's processes are started by the dozen and must stay small, so they
// branch off before the command line library is loaded.
const [group, command, ...rest] = process.argv.slice(2);

if (group === 'sim' && (command === 'engine' || command === 'engine-worker')) {
  const sim = await import('./sim/engine/run-simulated-engine.js');
  process.exitCode =
    command === 'engine' ? await sim.runSimulatedEngine(rest) : await sim.runSimulatedEngineWorker(rest);
} else {
  const { runCli } = await import('./cli/run-cli.js');
  await runCli(process.argv);
}
