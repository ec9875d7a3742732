/**
 * Host memory in pages of one size: what an entry does not fill of its last page is slack that everybody can see, and
 * nothing fragments, because an entry's pages may lie anywhere. Segments are taken from the system as they are needed, never
 * more than `capacityPages` in all, and given back when the arena is dropped.
 */
export const pageBytes = 4096;
/** 16 MiB: large enough for the system's huge pages, small enough that a little store stays little. */
const segmentPages = 4096;

export class PageArena {
  readonly #segments: Uint8Array[] = [];
  readonly #free: number[] = [];
  #taken = 0;

  constructor(readonly capacityPages: number) {}

  get freePages(): number {
    return this.#free.length + (this.capacityPages - this.#taken);
  }

  /** Copies `bytes` in, and returns its pages; `undefined` when there are not enough. */
  store(bytes: Uint8Array): Uint32Array | undefined {
    const count = Math.ceil(bytes.length / pageBytes);
    if (count > this.freePages) return undefined;
    const pages = Uint32Array.from({ length: count }, () => this.#free.pop() ?? this.#take());
    pages.forEach((page, i) =>
      this.#page(page).set(bytes.subarray(i * pageBytes, Math.min((i + 1) * pageBytes, bytes.length))),
    );
    return pages;
  }

  /** A copy of what was stored. */
  load(pages: Uint32Array, byteLength: number): Uint8Array {
    const bytes = new Uint8Array(byteLength);
    pages.forEach((page, i) =>
      bytes.set(this.#page(page).subarray(0, Math.min(pageBytes, byteLength - i * pageBytes)), i * pageBytes),
    );
    return bytes;
  }

  release(pages: Uint32Array): void {
    for (const page of pages) this.#free.push(page);
  }

  /** Where a test spoils a byte, as a broken memory module would. */
  view(page: number): Uint8Array {
    return this.#page(page);
  }

  #take(): number {
    const page = this.#taken;
    this.#taken += 1;
    if (page % segmentPages === 0)
      this.#segments.push(new Uint8Array(Math.min(segmentPages, this.capacityPages - page) * pageBytes));
    return page;
  }

  #page(page: number): Uint8Array {
    const segment = this.#segments[Math.floor(page / segmentPages)]!;
    const offset = (page % segmentPages) * pageBytes;
    return segment.subarray(offset, offset + pageBytes);
  }
}
