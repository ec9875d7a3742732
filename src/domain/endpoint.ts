import type { DeviceHealth } from './health.js';
import type { EngineState, PressureKind } from './engine.js';

/** A routable engine: what cluster knows, and all that placement and gateway need. */
export interface EndpointState {
  /** `node/engine`; stable over restarts and the only name on the ring. */
  id: string;
  node: string;
  engineId: string;
  incarnation: string;
  url: string;
  /** Shown to the engine in place of the client's own; absent: none is wanted. */
  apiKey?: string;
  servedModels: readonly string[];
  engineState: EngineState;
  /** Reason of the engine's state, for errors and logs. */
  engineReason: string;
  /** Holders of cordons on node, device and engine together; empty means none. */
  cordonHolders: readonly string[];
  /** Worst health of the engine's devices; `healthy` when it has none. */
  deviceHealth: DeviceHealth;
  deviceReason: string;
  /** Work in flight will not finish: reroute or end it now. */
  evicting: boolean;
  /** The agent has not spoken for longer than the silence limit. */
  nodeSilent: boolean;
  /** KV cache in 512-token blocks, or `null` when not known yet. */
  capacityBlocks: number | null;
  /** What weighs on the engine, as its agent reports it; absent: nothing. */
  pressure?: readonly PressureKind[];
  /** Hard cap of concurrent requests. */
  maxConcurrent: number;
}
