/** Probe processes keep no process alive, so that none outlives an agent's end; a command that waits for one does so with this. */
export async function whileAlive<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 60_000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
