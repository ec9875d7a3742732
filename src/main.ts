#!/usr/bin/env node
// The one program `infernode`. The simulated engine's processes are started by the dozen and must stay small, so they
// branch off before the command line library is loaded.
const [group, command, ...rest] = process.argv.slice(2);

if (group === 'sim' && (command === 'engine' || command === 'engine-worker')) {
  const sim = await import('./sim/engine/run-simulated-engine.js');
  process.exitCode =
    command === 'engine' ? await sim.runSimulatedEngine(rest) : await sim.runSimulatedEngineWorker(rest);
} else {
  // Here, because it must come before anything is loaded, and however a process is started.
  if (group === 'agent' || group === 'coordinator') {
    const { collectAlone, tuneForRequests } = await import('./runtime/tune-v8.js');
    if (group === 'agent') collectAlone();
    else tuneForRequests();
  }
  // The agent allocates little and lives for months. Left alone, V8 lets the space for new objects grow to 3 x 16 MiB, which would be a third
  // of the agent's memory.
  if (group === 'agent') {
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--semi-space-growth-factor=1');
    // Ten times V8's own figure: what runs once a second is not worth an optimizing compiler, which was a quarter of an idle agent's CPU and
    // 5 MiB; what is hot under load is compiled soon enough. Later versions of V8 count otherwise and do not know the flag.
    if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=676000');
  }
  const { runCli } = await import('./cli/run-cli.js');
  await runCli(process.argv);
}
