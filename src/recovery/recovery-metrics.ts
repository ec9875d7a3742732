import { Counter, type Registry } from 'prom-client';

export const actionOutcomes = ['dry-run', 'done', 'failed', 'given-up', 'dropped'] as const;
export type ActionOutcome = (typeof actionOutcomes)[number];

const actions = ['reset-device', 'reboot-node', 'replace-hardware'] as const;

export class RecoveryMetrics {
  readonly #node: string;
  readonly #actions: Counter<'node' | 'action' | 'outcome'>;

  constructor(registry: Registry, node: string) {
    this.#node = node;
    this.#actions = new Counter({
      name: 'infernode_recovery_actions_total',
      help: 'Actions beyond the restart of an engine, by what came of them',
      labelNames: ['node', 'action', 'outcome'],
      registers: [registry],
    });
    for (const action of actions)
      for (const outcome of actionOutcomes) this.#actions.inc({ node, action, outcome }, 0);
  }

  count(action: string, outcome: ActionOutcome): void {
    this.#actions.inc({ node: this.#node, action, outcome });
  }
}
