/** A tar archive (POSIX ustar) of small texts, in memory. */
import { gzipSync } from 'node:zlib';

export interface ArchivedFile {
  /** At most 100 bytes; only letters, digits and `._-/`. */
  name: string;
  text: string;
}

const block = 512;

export function tarGz(files: readonly ArchivedFile[], modifiedMs: number): Buffer {
  const parts = files.flatMap(({ name, text }) => {
    const body = Buffer.from(text);
    return [
      headerOf(name, body.length, modifiedMs),
      body,
      Buffer.alloc((block - (body.length % block)) % block),
    ];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * block)]));
}

function headerOf(name: string, size: number, modifiedMs: number): Buffer {
  const header = Buffer.alloc(block);
  const octal = (value: number, at: number, length: number): void =>
    void header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'ascii');
  header.write(name, 0, 100, 'ascii');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(modifiedMs / 1000), 136, 12);
  header.write('        0', 148, 'ascii');
  header.write('ustar\x0000', 257, 'ascii');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return header;
}
