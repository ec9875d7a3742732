import type { GatewayRouting } from '../gateway-routing.js';

/** Models with an engine whose own queue is long, by its agent's word. */
export function pressedModels(routing: GatewayRouting): ReadonlySet<string> {
  const resolved = routing.modelNames().map((name) => routing.resolve(name));
  const isPressed = (id: string): boolean => routing.endpoint(id)?.pressure?.includes('queue') === true;
  return new Set(
    resolved.flatMap((found) =>
      found && [...found.placement.inFlight().keys()].some(isPressed) ? [found.model] : [],
    ),
  );
}
