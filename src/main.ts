#!/usr/bin/env node
// The one program `infernode`. The simulated engine's processes are started by the dozen and must stay small, so they
// branch off before the command line library is loaded.
const [group, command, ...rest] = process.argv.slice(2);

if (group === 'sim' && (command === 'engine' || command === 'engine-worker')) {
  const sim = await import('./sim/engine/run-simulated-engine.js');
  process.exitCode =
    command === 'engine' ? await sim.runSimulatedEngine(rest) : await sim.runSimulatedEngineWorker(rest);
} else {
  // The agent allocates little and lives for months. Left alone, V8 lets the space for new objects grow to 3 x 16 MiB, which would be a third
  // of the agent's memory; here, because it must come before anything is loaded, and however the agent is started.
  if (group === 'agent') {
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--semi-space-growth-factor=1');
    setFlagsFromString('--no-parallel-scavenge');
  }
  const { runCli } = await import('./cli/run-cli.js');
  await runCli(process.argv);
}
