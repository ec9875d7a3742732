/**
 * One port per engine, so that two that load side by side never meet at `listen` minutes later. vLLM binds its port early
 * and listens late; in between no test can see that the port is taken. So the claim is a name that the engine's keeper
 * holds for as long as the engine lives (an abstract socket, per network namespace like the port itself): it also speaks
 * to other agents on the machine and outlives this one.
 */
import { createServer } from 'node:net';
import { InfernodeError } from '../domain/error-codes.js';

/** All ports lie below the kernel's range for outgoing connections (32768 and up by default). */
const firstPort = 20_000;
const lastPort = 20_399;
/**
 * Behind them each engine has ports of its own for talking to its workers: 12 from VLLM_PORT upwards, then a connector's
 * side channel with one port per rank. vLLM takes the next free port from there on, so two engines that begin at the same
 * number race for it.
 */
const internalPorts = 28;
const maxTries = 50;

/** First internal port of the engine that serves on this port; for one outside our range, the range's own start. */
export function internalPortOf(port: number): number {
  const slot = port >= firstPort && port <= lastPort ? port - firstPort : 0;
  return lastPort + 1 + slot * internalPorts;
}

export function holdNameOf(port: number): string {
  return `infernode-port-${port}`;
}

/** What a keeper says when another one has the name. */
export function isHeldElsewhere(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith('is held by another keeper');
}

export class PortReservation {
  readonly #random: () => number;
  readonly #claimed = new Set<number>();

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** `preferred` is the port of the last run: an engine keeps its address where it can. Throws `internal` when none is free. */
  async claim(host: string, preferred: number | null): Promise<number> {
    for (let tries = 0; tries < maxTries; tries++) {
      const port = tries === 0 && isOurs(preferred) ? preferred : this.#draw();
      if (this.#claimed.has(port)) continue;
      this.#claimed.add(port);
      if (await isPortFree(host, port)) return port;
      this.#claimed.delete(port);
    }
    throw new InfernodeError(
      'internal',
      `expected a free port between ${firstPort} and ${lastPort}, found none in ${maxTries} tries`,
    );
  }

  /** For an engine that runs already. */
  adopt(port: number): void {
    this.#claimed.add(port);
  }

  release(port: number): void {
    this.#claimed.delete(port);
  }

  #draw(): number {
    return firstPort + Math.floor(this.#random() * (lastPort - firstPort + 1));
  }
}

const isOurs = (port: number | null): port is number =>
  port !== null && port >= firstPort && port <= lastPort;

/** Nobody listens there now. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
