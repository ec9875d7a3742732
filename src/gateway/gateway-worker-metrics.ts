import { Counter, type Registry } from 'prom-client';

/** What the parent of gateway workers counts; the workers' own series are those of `gateway-metrics.ts`. */
export class GatewayWorkerMetrics {
  readonly restarts: Counter;
  readonly overshoots: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.restarts = new Counter({
      name: 'infernode_gateway_worker_restarts_total',
      help: 'Gateway workers started in the place of one that ended',
      registers,
    });
    this.overshoots = new Counter({
      name: 'infernode_gateway_worker_overshoots_total',
      help: 'Requests placed by two workers at the same moment beyond the hard cap of an endpoint',
      registers,
    });
  }
}
