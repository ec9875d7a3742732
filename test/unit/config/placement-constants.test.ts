// Every constant that is configuration is one of placement's, and what is given reaches the decision.
import { expect, it } from 'vitest';
import { coordinatorSchema } from '../../../src/config/coordinator-config.js';
import { constantsOf, defaultConstants } from '../../../src/placement/placement-constants.js';

it('takes the constants of placement by their names, and keeps the defaults of the others', () => {
  const { constants, loadFactor } = coordinatorSchema.parse({
    placement: { loadFactor: 1.5, constants: { rankCost: 0.2, ringCandidates: 6 } },
  }).placement;
  expect(constantsOf({ ...constants, loadFactor, uncachedCost: undefined })).toEqual({
    ...defaultConstants,
    loadFactor: 1.5,
    rankCost: 0.2,
    ringCandidates: 6,
  });
});

it.each([
  ['unknown names', { rankCosts: 1 }],
  ['no candidates', { ringCandidates: 0 }],
  ['a weight of nothing', { degradedWeight: 0 }],
])('refuses %s', (_, constants) => {
  expect(coordinatorSchema.safeParse({ placement: { constants } }).success).toBe(false);
});

it('configures no constant that placement does not have', () => {
  const shape = coordinatorSchema.shape.placement.unwrap().shape.constants.unwrap().shape;
  expect(Object.keys(defaultConstants)).toEqual(expect.arrayContaining(Object.keys(shape)));
});
