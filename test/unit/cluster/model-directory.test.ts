/** Which placement a name leads to, and that placements know the news before anybody else. */
import { Registry } from 'prom-client';
import { beforeEach, expect, it } from 'vitest';
import { ClusterMetrics } from '../../../src/cluster/cluster-metrics.js';
import { EndpointRegistry } from '../../../src/cluster/endpoint-registry.js';
import { ModelDirectory } from '../../../src/cluster/model-directory.js';
import {
  coordinatorSchema,
  defaultModelConfig,
  type ModelConfig,
} from '../../../src/config/coordinator-config.js';
import { InMemoryModelPlacement } from '../../../src/placement/model-placement.js';
import { silentLogger } from '../../../src/runtime/logger.js';
import { aNodeState } from '../../support/fake-agent.js';
import { anEngineStatus } from '../../support/node-fixtures.js';

let registry: EndpointRegistry;
let created: [string, ModelConfig][];

beforeEach(() => {
  registry = new EndpointRegistry({ metrics: new ClusterMetrics(new Registry()), logger: silentLogger() });
  created = [];
});

function directoryWith(models: Record<string, object>): ModelDirectory {
  return new ModelDirectory({
    models: coordinatorSchema.parse({ models }).models,
    unconfigured: defaultModelConfig,
    createPlacement: (model, config) => {
      created.push([model, config]);
      return new InMemoryModelPlacement({ strategy: config.strategy });
    },
    registry,
    logger: silentLogger(),
  });
}

/** Engines of one node by the names that they serve. */
function serve(engines: Record<string, string[]>, evicting = false): void {
  const list = Object.entries(engines).map(([id, servedModels]) =>
    anEngineStatus(id, { servedModels, evicting, deviceUuids: [] }),
  );
  registry.applyNode(aNodeState({ engines: list }), { nodeSilent: false, judgeUrl: () => null });
}

const members = (directory: ModelDirectory, name: string) => [
  ...(directory.resolve(name)?.placement.inFlight().keys() ?? []),
];

it('engines of one model share a placement; further names and aliases lead there', () => {
  const directory = directoryWith({ llama: { aliases: ['chat'], strategy: 'round-robin' } });
  serve({ a: ['llama', 'lora-x'], b: ['llama'], c: ['qwen'] });
  expect(directory.modelNames()).toEqual(['llama', 'qwen', 'chat', 'lora-x']);
  expect(members(directory, 'llama')).toEqual(['gpu-a/a', 'gpu-a/b']);
  expect(directory.resolve('chat')?.model).toBe('llama');
  // An adapter keeps its name: the engine tells it from the base model by it.
  expect(directory.resolve('lora-x')?.model).toBe('lora-x');
  expect(directory.resolve('lora-x')?.placement).toBe(directory.resolve('llama')?.placement);
  expect(members(directory, 'qwen')).toEqual(['gpu-a/c']);
  expect(directory.resolve('gpt')).toBeNull();
  expect(directory.otherNamesOf('llama')).toEqual(['chat', 'lora-x']);
  expect(created.map(([model, { strategy }]) => [model, strategy])).toEqual([
    ['llama', 'round-robin'],
    ['qwen', 'chwbl'],
  ]);
});

it('a configured model that nobody serves yet is known and not listed', () => {
  const directory = directoryWith({ llama: { aliases: ['chat'] } });
  expect(directory.modelNames()).toEqual([]);
  expect(directory.resolve('chat')).toMatchObject({ model: 'llama' });
  expect(members(directory, 'chat')).toEqual([]);
});

it('a served model beats an alias of the same name, an alias a further name', () => {
  const directory = directoryWith({ llama: { aliases: ['qwen', 'chat'] } });
  serve({ a: ['llama'], b: ['qwen', 'chat'] });
  expect(directory.resolve('qwen')?.model).toBe('qwen');
  expect(directory.resolve('chat')?.model).toBe('llama');
});

it('names that are members of every object are no models', () => {
  const directory = directoryWith({ llama: {} });
  serve({ a: ['constructor'] });
  expect(directory.resolve('toString')).toBeNull();
  expect(directory.resolve('constructor')?.model).toBe('constructor');
});

it('an engine that changes its model moves; a model without engines and configuration is forgotten', () => {
  const directory = directoryWith({});
  serve({ a: ['llama'], b: [] });
  expect(directory.modelOf('gpu-a/b')).toBeUndefined();
  serve({ a: ['qwen'], b: [] });
  expect(directory.modelNames()).toEqual(['qwen']);
  expect(directory.resolve('llama')).toBeNull();
  serve({});
  expect(directory.entries()).toEqual([]);
});

it('placements know all the news before an eviction is told, and queued requests hear of it last', () => {
  const directory = directoryWith({});
  serve({ a: ['llama'], b: ['llama'] });
  const told: string[] = [];
  directory.onEvict((id, reason) => {
    const decision = directory.resolve('llama')?.placement.decide({ id: 'r', tokens: 1, chain: [] }, 0);
    told.push(`${id} ${reason}: ${decision?.outcome}`);
  });
  directory.onChange(() => told.push('change'));
  serve({ a: ['llama'], b: ['llama'] }, true);
  expect(told).toEqual(['gpu-a/a : none-eligible', 'gpu-a/b : none-eligible', 'change']);
});

it('unsubscribed listeners are told nothing', () => {
  const directory = directoryWith({});
  const told: string[] = [];
  const stops = [directory.onEvict((id) => told.push(id)), directory.onChange(() => told.push('change'))];
  for (const stop of stops) stop();
  serve({ a: ['llama'] }, true);
  expect(told).toEqual([]);
});

it('new names and strategies hold at once; the placement with its loads stays', () => {
  const directory = directoryWith({ llama: { aliases: ['chat'] } });
  serve({ a: ['llama'] });
  const { placement } = directory.resolve('chat')!;
  const rules: unknown[] = [];
  (placement as InMemoryModelPlacement).useHealthRule = (rule) => rules.push(rule);
  placement.decide({ id: 'r', tokens: 512, chain: [] }, 0);
  directory.reconfigure(
    coordinatorSchema.parse({ models: { llama: { aliases: ['assistant'], strategy: 'round-robin' } } })
      .models,
  );
  expect(rules.at(-1)).toEqual({ errorRatio: 0.01, ttftP99Ms: null });
  expect(directory.resolve('chat')).toBeNull();
  expect(directory.resolve('assistant')?.placement).toBe(placement);
  expect([...placement.inFlight()]).toEqual([['gpu-a/a', 1]]);
  expect(directory.entries()[0]?.config.strategy).toBe('round-robin');
  expect(placement.explain({ id: 'x', tokens: 1, chain: [] }, 0).strategy).toBe('round-robin');
});

it('tells how many engines can take requests and how many there should be', () => {
  const directory = directoryWith({
    llama: { minReadyEngines: 2 },
    absent: {},
    wanted: { minReadyEngines: 1 },
  });
  const engines = [
    anEngineStatus('a', { servedModels: ['llama'] }),
    anEngineStatus('b', { servedModels: ['llama'], state: 'failed' }),
    anEngineStatus('c', { servedModels: ['qwen'], state: 'asleep' }),
    anEngineStatus('d', { servedModels: ['phi'], state: 'asleep' }),
    anEngineStatus('e', { servedModels: ['phi'], state: 'failed' }),
  ].map((engine) => ({ ...engine, deviceUuids: [] }));
  registry.applyNode(aNodeState({ engines }), { nodeSilent: false, judgeUrl: () => null });
  const told = directory.readiness().map(({ model, ready, least }) => [model, ready, least]);
  expect(Object.fromEntries(told.map(([model, ...rest]) => [model, rest]))).toEqual({
    llama: [1, 2],
    absent: [0, 0],
    wanted: [0, 1],
    // Asleep on purpose: an autoscaler may have put it there. Beside one that failed it is a standby nobody promoted yet.
    qwen: [0, 0],
    phi: [0, 1],
  });
});
