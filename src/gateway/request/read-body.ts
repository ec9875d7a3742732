import type { IncomingMessage } from 'node:http';

export type BodyRead = { kind: 'read'; body: Buffer } | { kind: 'too-large' } | { kind: 'client-gone' };

/** Reads a request body, and stops at the limit: neither a lie in Content-Length nor its absence makes it grow. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<BodyRead> {
  return new Promise((resolve) => {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      resolve({ kind: 'too-large' });
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (result: BodyRead): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > maxBytes) settle({ kind: 'too-large' });
      else chunks.push(chunk);
    };
    const onEnd = (): void =>
      settle({
        kind: 'read',
        body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes),
      });
    const onClose = (): void => settle({ kind: 'client-gone' });
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', ignore);
  });
}

/** The 'close' that follows carries the news. */
const ignore = (): void => undefined;

/**
 * Lets the rest of an unwanted body pass, so that the client gets to read our answer instead of a reset connection; a
 * client that never stops sending is cut off.
 */
export function discardBody(request: IncomingMessage, maxBytes: number): void {
  let bytes = 0;
  request.on('error', ignore);
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) request.socket.destroy();
  });
  request.resume();
}
