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

  constructor(readonly onId: (id: string) => void) {}

  /** False when it has seen enough: it is not to be called again. */
  push(chunk: Buffer): boolean {
    this.#head += chunk.toString('latin1', 0, maxHeadBytes);
    const id = ownId.exec(this.#head)?.[1];
    if (id !== undefined) this.onId(id);
    const wantsMore = id === undefined && this.#head.length < maxHeadBytes;
    if (!wantsMore) this.#head = '';
    return wantsMore;
  }
}
