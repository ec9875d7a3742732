import { randomBytes } from 'node:crypto';
import { ApiError } from './api-error.js';
import { StreamFaults } from './stream-faults.js';

export type GarbageKind = 'binary' | 'truncated' | 'html' | 'huge';

/** Faults of the HTTP side, which do not touch the engine. */
export class ServingFaults {
  readonly streams = new StreamFaults();
  healthDelayMs = 0;
  #garbage: GarbageKind | null = null;
  #errorStatus = 500;
  #errorsLeft = 0;

  setGarbage(kind: GarbageKind | null): void {
    this.#garbage = kind;
  }

  /** The next `count` completion requests are answered with `status`. */
  failRequests(status: number, count: number): void {
    this.#errorStatus = status;
    this.#errorsLeft = count;
  }

  beforeRequest(): void {
    if (this.#errorsLeft <= 0) return;
    this.#errorsLeft -= 1;
    throw new ApiError(this.#errorStatus, 'InternalServerError', 'Internal server error');
  }

  /** The body of a sick `/metrics`, or null for the true page. */
  garbageMetrics(): Buffer | string | null {
    switch (this.#garbage) {
      case 'binary':
        return randomBytes(4096);
      case 'truncated':
        return '# HELP vllm:num_requests_running Requests\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0",model_na';
      case 'html':
        return '<html><body><h1>502 Bad Gateway</h1></body></html>';
      case 'huge':
        return '# a very long comment\n'.repeat(1_000_000);
      case null:
        return null;
    }
  }
}
