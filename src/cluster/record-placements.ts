import { createWriteStream, type WriteStream } from 'node:fs';
import { messageOf } from '../domain/error-codes.js';
import type { PlacementLogEntry } from '../placement/placement-log.js';
import type { Logger } from '../runtime/logger.js';

/** A line of the file: the entry, and the model that it is of. */
export type RecordedLine = PlacementLogEntry & { model: string };

/** Lines that wait for a slow disk, bytes. */
const maxWaitingBytes = 8 * 1024 * 1024;

/**
 * Writes the placement log from the start of the process until it has reached its size, then ends: a log without its
 * beginning, or with a hole, replays to something else. It holds block keys and hashed
 * sessions, no prompts; even so it is 0600.
 */
export class PlacementRecorder {
  readonly #stream: WriteStream;
  readonly #maxBytes: number;
  readonly #logger: Logger;
  #bytes = 0;
  #over = false;

  constructor({ file, maxBytes, logger }: { file: string; maxBytes: number; logger: Logger }) {
    this.#maxBytes = maxBytes;
    this.#logger = logger.child({ placementLog: file });
    this.#stream = createWriteStream(file, { flags: 'w', mode: 0o600 });
    this.#stream.on('error', (error) => this.#end(messageOf(error)));
  }

  write(model: string, entry: PlacementLogEntry): void {
    if (this.#over) return;
    const line = `${JSON.stringify({ model, ...entry })}\n`;
    this.#bytes += line.length;
    if (this.#bytes > this.#maxBytes) this.#end(`it has reached ${this.#maxBytes} bytes`);
    else if (this.#stream.writableLength > maxWaitingBytes) this.#end('the disk does not keep up');
    else this.#stream.write(line);
  }

  close(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#over = true;
    return new Promise((resolve) => this.#stream.end(() => resolve()));
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#logger.warn({ reason }, 'the placement log ends here');
    this.#stream.end();
  }
}
