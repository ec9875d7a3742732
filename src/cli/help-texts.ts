/** What the helps of several commands share, and the man page with them: examples, variables, files, exit codes. */
import type { Command } from 'commander';

/** Of commands that bring none in their own help, by their path. Each is held against the command tree by a test. */
const examples: Record<string, readonly string[]> = {
  'infernode status': [
    'infernode status',
    'infernode status --coordinator front:9480 --tls-ca ca.crt --tls-cert ops.crt --tls-key ops.key',
    'infernode status --json | jq \'.nodes[].devices[] | select(.health != "healthy")\'',
  ],
  'infernode engines list': [
    'infernode engines list --agent 127.0.0.1:9470',
    'infernode engines list --json',
  ],
  'infernode engines start': [
    'infernode engines start chat-0',
    'infernode engines start chat-9 --template chat --device 3',
  ],
  'infernode engines stop': ['infernode engines stop chat-0'],
  'infernode engines drain': ['infernode engines drain chat-0 --deadline 60'],
  'infernode engines restart': ['infernode engines restart chat-0 --deadline 0'],
  'infernode engines sleep': ['infernode engines sleep chat-0 --level 1'],
  'infernode engines wake': ['infernode engines wake chat-0'],
  'infernode engines logs': ['infernode engines logs -f chat-0', 'infernode engines logs chat-0 --run 2'],
  'infernode engines why': ['infernode engines why chat-0 --limit 3'],
  'infernode cordon': ['infernode cordon 3 --reason "fan noise, ticket 4711"'],
  'infernode uncordon': ['infernode uncordon 3', 'infernode uncordon 3 --holder health:xid'],
  'infernode driver release': ['infernode driver release --drain 120'],
  'infernode driver acquire': ['infernode driver acquire'],
  'infernode probe': [
    'infernode probe 0',
    'infernode probe 0 --config /etc/infernode/agent.yaml --json  (exit code 3: it could not be asked)',
  ],
  'infernode placement replay': ['infernode placement replay /var/tmp/placement.log'],
  'infernode placement explain': ['infernode placement explain --model chat --prompt "Hello"'],
  'infernode kv vectors': ['infernode kv vectors --path scalar'],
  'infernode kv bench': ['infernode kv bench --mib 64 --formats int8_head,int4a_g64'],
  'infernode agent': [
    'infernode agent --config /etc/infernode/agent.yaml',
    'infernode agent --set node.name=gpu-a --set listen.control=127.0.0.1:0 --ready-json',
  ],
  'infernode coordinator': ['infernode coordinator --config /etc/infernode/coordinator.yaml'],
  'infernode config check': ['infernode config check agent --config /etc/infernode/agent.yaml'],
  'infernode config print': [
    'infernode config print coordinator --config /etc/infernode/coordinator.yaml',
    'infernode config print agent --json',
  ],
};

const simulatedGpu = '(more: infernode sim gpu --help)';

/** Exit codes stand below every help; examples below those that have none of their own. */
export function addSharedHelp(program: Command): void {
  program.addHelpText('afterAll', `\n${exitCodes}`);
  const visit = (command: Command, path: string): void => {
    const lines = examples[path];
    if (lines) command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
    else if (path.startsWith('infernode sim gpu ')) command.addHelpText('after', `\n${simulatedGpu}`);
    for (const child of command.commands) visit(child, `${path} ${child.name()}`);
  };
  visit(program, program.name());
}

export const exitCodes =
  'Exit codes: 0 done, 1 the work failed, 2 the input was wrong and nothing was started.';

export const variables: readonly (readonly [name: string, meaning: string])[] = [
  [
    'INFERNODE_LISTEN__CONTROL and its like',
    'any field of a configuration; two underscores go a level down. Flags outrank variables, variables outrank the file.',
  ],
  [
    'INFERNODE_CLIENT_CA, _CERT, _KEY, _TOKEN_FILE, _SERVER_NAME',
    'how a command proves itself to a control listener beyond loopback, as the --tls flags and --token-file do.',
  ],
  ['INFERNODE_LOG_LEVEL', 'trace, debug, info (default), warn, error or fatal; logs are JSON lines.'],
  ['XDG_STATE_HOME', 'where `infernode up` keeps its clusters (default: ~/.local/state).'],
  ['NOTIFY_SOCKET, WATCHDOG_USEC', 'set by systemd for a unit of Type=notify.'],
];

export const files: readonly (readonly [path: string, meaning: string])[] = [
  ['/etc/infernode/agent.yaml, coordinator.yaml', 'the configurations that the units read.'],
  ['/var/lib/infernode', 'state of the agent: engines, cordons, history (stateDir).'],
  ['~/.local/state/infernode', 'one directory for each `infernode up`.'],
];

/** The end of `infernode --help`. */
export const programHelp = `
Start here:
  infernode up                     a whole cluster on this machine, simulated where there is no GPU
  infernode sim gpu xid 79 --gpu 0 let a GPU fall off the bus and watch requests move
  infernode doctor                 what this machine has and lacks

Variables:
${variables.map(([name, meaning]) => `  ${name}\n      ${meaning}`).join('\n')}

Files:
${files.map(([path, meaning]) => `  ${path}\n      ${meaning}`).join('\n')}`;
