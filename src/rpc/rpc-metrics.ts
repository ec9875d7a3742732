import { Gauge, type Registry } from 'prom-client';

/** Of the control listener. */
export class RpcMetrics {
  #expiresAtMs: () => number | null = () => null;

  constructor(registry: Registry) {
    const expiresAtMs = (): number | null => this.#expiresAtMs();
    new Gauge({
      name: 'infernode_rpc_certificate_expiry_timestamp_seconds',
      help: 'End of the validity of the certificate in use, seconds since 1970; no series without tls',
      registers: [registry],
      collect() {
        const atMs = expiresAtMs();
        this.reset();
        if (atMs !== null) this.set(atMs / 1000);
        else this.remove();
      },
    });
  }

  /** Whose certificate it is; asked at each scrape, because it may be replaced. */
  observe(expiresAtMs: () => number | null): void {
    this.#expiresAtMs = expiresAtMs;
  }
}
