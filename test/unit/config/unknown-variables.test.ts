/** A misspelt variable is told; what the other process, the client, a build or a kubelet reads is not. */
import { expect, it } from 'vitest';
import { agentSchema } from '../../../src/config/agent-config.js';
import { coordinatorSchema } from '../../../src/config/coordinator-config.js';
import { unknownVariables } from '../../../src/config/unknown-variables.js';

it.each([
  ['INFERNODE_LISTN__CONTROL', 1],
  ['INFERNODE_STATEDIR', 1],
  ['INFERNODE_STATE_DIR', 0],
  ['INFERNODE_LISTEN__CONTROL', 0],
  ['INFERNODE_GATEWAY__WORKERS', 0],
  ['INFERNODE_CLIENT_CA', 0],
  ['INFERNODE_LOG_LEVEL', 0],
  ['INFERNODE_SIM_NODE_DIR', 0],
  ['INFERNODE_COORDINATOR_SERVICE_HOST', 0],
  ['INFERNODE_COORDINATOR_PORT_9480_TCP_ADDR', 0],
  ['HOME', 0],
])('%s: %i warnings', (name, warnings) => {
  const lines = unknownVariables([agentSchema, coordinatorSchema], { [name]: 'x' });
  expect(lines).toHaveLength(warnings);
  for (const line of lines) expect(line).toContain(name);
});
