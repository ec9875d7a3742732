// `infernode sim engine ...`: a program that behaves like `vllm`. Everything is imported when needed: the same entry also
// starts the children, which must stay small.

/**
 * Runs the simulated `vllm` command.
 *
 * @param argv words behind `sim engine`: `['serve', 'MODEL', '--port', '8001']`, `['--version']`
 * @returns the exit code; the process has nothing left to do
 */
export async function runSimulatedEngine(argv: string[]): Promise<number> {
  const { runCommand } = await import('./vllm-command.js');
  return runCommand(argv);
}

/** Internal: a child of the simulated engine that holds GPU memory. */
export async function runSimulatedEngineWorker(argv: string[]): Promise<number> {
  const { runEngineWorker } = await import('./engine-worker.js');
  return runEngineWorker(argv);
}
