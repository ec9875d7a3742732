/** An engine writes the id first, in the object as in the `response.created` event that opens a stream. */
const maxHeadBytes = 16 * 1024;

/**
 * Inside a JSON string a quote is escaped, so that neither a prompt nor an answer can look like the member; ids of messages, calls
 * and reasoning begin otherwise, and `previous_response_id` has no quote before `id`.
 */
const ownId = /"id"\s*:\s*"(resp_[\w-]{1,128})"/;

/** Reads the id of one answer of `/v1/responses` as it passes. */
export class ResponseIdReader {
  #head = '';
  #over = false;

  constructor(readonly onId: (id: string) => void) {}

  /** False when it has seen enough. */
  push(chunk: Buffer): boolean {
    if (this.#over) return false;
    this.#head += chunk.toString('latin1', 0, maxHeadBytes);
    const id = ownId.exec(this.#head)?.[1];
    this.#over = id !== undefined || this.#head.length >= maxHeadBytes;
    if (this.#over) this.#head = '';
    if (id !== undefined) this.onId(id);
    return !this.#over;
  }
}
