import { parseArgs } from 'node:util';

const usage = `Injects faults into a running cluster and watches when agent, coordinator and clients notice.

  npm run bench:fault-path -- [options]

  --state-dir DIR     of a running \`infernode up\` with simulated GPUs; its GPUs and engines are hurt
                      (default: one is started, and stopped again)
  --rounds N          of each fault (10)
  --streams N         streams kept running all the time (12)
  --waiting N         long prompts sent just before each fault, so that some still wait for their first byte (8)
  --seed N            of prompts, victims and simulated hardware (1)
  --effects           Xid 79 also takes the GPU off the bus (then its memory cannot be proven free before the reset)
  --json FILE         also write the results there
  --markdown FILE     also write the table there
`;

/** Exits with 2 and the usage on a wrong option. */
export function readOptions(argv) {
  try {
    return read(argv);
  } catch (error) {
    process.stderr.write(`bench:fault-path: ${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

function read(argv) {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    args: argv,
    options: {
      'state-dir': text,
      rounds: text,
      streams: text,
      waiting: text,
      seed: text,
      effects: flag,
      json: text,
      markdown: text,
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const whole = (name, fallback, least) => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!Number.isInteger(value) || value < least)
      throw new Error(`--${name} ${values[name]}: expected a whole number from ${least}`);
    return value;
  };
  return {
    stateDir: values['state-dir'],
    rounds: whole('rounds', 10, 1),
    streams: whole('streams', 12, 1),
    waiting: whole('waiting', 8, 0),
    seed: whole('seed', 1, 0),
    effects: values.effects,
    json: values.json,
    markdown: values.markdown,
  };
}
