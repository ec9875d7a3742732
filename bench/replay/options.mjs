import { parseArgs } from 'node:util';

const usage = `Replays a conversation trace through a gateway, with a real streaming HTTP client.

  npm run bench:replay -- [options]

  --gateway URL       gateway to use (default: the running \`infernode up\`; else one is started and stopped again)
  --trace FILE        JSON lines, gzip or plain (default: ../shared/data/conversation-trace.jsonl.gz when it is there,
                      else a seeded workload with the same published statistics)
  --requests N        how many, from the beginning (500)
  --time-scale F      stretches the time between arrivals; 1 is as recorded (0.25)
  --length-scale F    scales prompts and answers; 1 is as recorded (0.25)
  --concurrency N     requests in flight at most; later arrivals are held back and counted (64)
  --model NAME        (default: the first of /v1/models)
  --timeout-s N       limit of one request (300)
  --seed N            of the texts, of the spread of arrivals, and of the generated workload (1)
  --warm              use what earlier runs left in the caches; else every run's prompts begin with a word of its own
  --json FILE         also write the results there
`;

/** @returns {ReturnType<typeof read>} exits with 2 and the usage on a wrong option */
export function readOptions(argv) {
  try {
    return read(argv);
  } catch (error) {
    process.stderr.write(`bench:replay: ${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

function read(argv) {
  const text = { type: 'string' };
  const { values } = parseArgs({
    args: argv,
    options: {
      gateway: text,
      trace: text,
      requests: text,
      'time-scale': text,
      'length-scale': text,
      concurrency: text,
      model: text,
      'timeout-s': text,
      seed: text,
      json: text,
      warm: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const number = (name, fallback, { least, whole = true }) => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!(value >= least) || value === Infinity || (whole && !Number.isInteger(value)))
      throw new Error(`--${name} ${values[name]}: expected ${whole ? 'a whole' : 'a'} number from ${least}`);
    return value;
  };
  return {
    gateway: values.gateway?.replace(/\/+$/, '').replace(/\/v1$/, ''),
    trace: values.trace,
    requests: number('requests', 500, { least: 1 }),
    timeScale: number('time-scale', 0.25, { least: 0, whole: false }),
    lengthScale: number('length-scale', 0.25, { least: 0.001, whole: false }),
    concurrency: number('concurrency', 64, { least: 1 }),
    model: values.model,
    timeoutMs: 1000 * number('timeout-s', 300, { least: 1 }),
    seed: number('seed', 1, { least: 0 }),
    json: values.json,
    warm: values.warm,
  };
}
