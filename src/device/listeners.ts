import type { Logger } from '../runtime/logger.js';

export type Unsubscribe = () => void;

/** Who hears one kind of news of the sampler. One that throws must not keep the news from the others. */
export class Listeners<T> {
  readonly #logger: Logger;
  readonly #listeners = new Set<(news: T) => void>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(listener: (news: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(news: T): void {
    for (const listener of [...this.#listeners])
      try {
        listener(news);
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener of the device sampler failed');
      }
  }
}
