/** One task at a time: the next begins only when the one before is over, and whoever waits for the place is told. */
export class TaskSlot {
  readonly #onIdle: () => void;
  #task: Promise<void> | null = null;

  /** @param onIdle called after each task, when another may begin */
  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  get busy(): boolean {
    return this.#task !== null;
  }

  /**
   * The slot is taken before the step does anything: it tells others what it does before its first wait, and who hears of it
   * may want to begin something too. `onError` may wait, so that what fails at once is not tried in a tight loop.
   */
  begin(step: () => Promise<void> | void, onError: (error: unknown) => Promise<void>): void {
    this.#task = Promise.resolve()
      .then(step)
      .catch(onError)
      .then(() => {
        this.#task = null;
        this.#onIdle();
      });
  }

  /** Resolves when nothing is under way, nor follows. */
  async idle(): Promise<void> {
    while (this.#task) await this.#task;
  }
}
