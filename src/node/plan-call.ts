/** `NodeService.Plan`: a plan for the node's own devices. A caller names a model of the catalogue, never a file of the node. */
import type { NodePlan, PlanWish } from '../domain/engine-plan.js';
import { InfernodeError } from '../domain/error-codes.js';
import type { PlanRequest__Output } from '../rpc/generated/infernode/node/v1/PlanRequest.js';
import type { PlanResponse } from '../rpc/generated/infernode/node/v1/PlanResponse.js';

export interface EnginePlanner {
  planEngine(wish: PlanWish): Promise<NodePlan>;
}

export async function answerPlan(planner: EnginePlanner, wish: PlanRequest__Output): Promise<PlanResponse> {
  if (wish.model === '')
    throw new InfernodeError('argument-invalid', 'expected model to name one of the catalogue, got ""');
  return planner.planEngine(wish);
}
