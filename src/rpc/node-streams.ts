/** The streams of an agent's NodeService as their readers see them: each is over exactly once, and nothing is told after that. */
import type { ServiceError } from '@grpc/grpc-js';
import type { HistoryEntry } from '../domain/history.js';
import type { InfernodeError } from '../domain/error-codes.js';
import type { NodeStateUpdate } from '../domain/node-state.js';
import type { WorkReport } from '../domain/work.js';

interface StreamEnd {
  /** Called exactly once; `error` is `null` when either side ended the stream in peace. */
  onEnd(error: InfernodeError | null): void;
}

export interface WatchNodeListener extends StreamEnd {
  /** Called once per message, in order: a snapshot first. */
  onUpdate(update: NodeStateUpdate): void;
}

export interface WatchEventsListener extends StreamEnd {
  onEntry(entry: HistoryEntry): void;
}

export interface NodeWatch {
  /** Ends the stream; idempotent. */
  cancel(): void;
}

export interface WorkReportListener extends StreamEnd {
  /** Everything up to this report has been taken. */
  onAck(sequence: number): void;
  /** What was written has been sent: more may be. */
  onDrain(): void;
}

export interface WorkReportStream extends NodeWatch {
  /** False when the agent reads slowly: nothing more should be written before `onDrain`. */
  write(report: WorkReport): boolean;
}

interface ReadableCall<Message> {
  on(event: 'data', listener: (message: Message) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end' | 'drain', listener: () => void): unknown;
  cancel(): void;
}

export class StreamReader<Message> implements NodeWatch {
  readonly #stream: ReadableCall<Message>;
  readonly #onEnd: StreamEnd['onEnd'];
  #over = false;

  /** `toError` makes what is told of a transport's error. */
  constructor(
    stream: ReadableCall<Message>,
    on: { message(message: Message): void; drain?(): void; end: StreamEnd['onEnd'] },
    toError: (error: ServiceError) => InfernodeError,
  ) {
    this.#stream = stream;
    this.#onEnd = on.end;
    stream.on('data', (message) => {
      if (!this.#over) on.message(message);
    });
    stream.on('drain', () => {
      if (!this.#over) on.drain?.();
    });
    stream.on('error', (error) => this.#end(toError(error as ServiceError)));
    stream.on('end', () => this.#end(null));
  }

  get over(): boolean {
    return this.#over;
  }

  cancel(): void {
    this.#end(null);
    this.#stream.cancel();
  }

  #end(error: InfernodeError | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#onEnd(error);
  }
}
