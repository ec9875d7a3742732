import type { Server } from 'node:http';

/** The part of node's TCP handle that is used here. */
interface TcpHandle {
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
  getsockname(out: object): number;
  close(): void;
}

/**
 * A port bound but not listening, as vLLM holds its port while it loads: connections are refused, a second server that
 * also only binds succeeds and fails much later at `listen`, and a port with a listener is refused at once. Node's public
 * API binds and listens in one step, so this goes through the handle below `net`.
 */
export class PortReservation {
  readonly #handle: TcpHandle;

  /** Throws an error with code EADDRINUSE or another of bind(2). */
  constructor(host: string, port: number) {
    // There is no public way to bind without listening.
    const binding = (process as unknown as { binding(name: string): TcpBinding }).binding('tcp_wrap');
    this.#handle = new binding.TCP(binding.constants.SERVER);
    const address = host === 'localhost' ? '127.0.0.1' : host;
    const bound = address.includes(':')
      ? this.#handle.bind6(address, port, 0)
      : this.#handle.bind(address, port);
    // libuv reports an address in use only at the next call on the handle.
    const code = bound || this.#handle.getsockname({});
    if (code === 0) return;
    this.#handle.close();
    throw Object.assign(new Error(`bind ${host}:${port}`), {
      code: code === -98 ? 'EADDRINUSE' : String(code),
    });
  }

  /** From now on connections are taken; rejects with EADDRINUSE when another server listened first. */
  listen(server: Server): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#handle, () => resolve());
    });
  }

  close(): void {
    this.#handle.close();
  }
}

interface TcpBinding {
  TCP: new (type: number) => TcpHandle;
  constants: { SERVER: number };
}
