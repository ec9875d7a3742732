// The flags of `vllm serve` that the simulator knows, by release. A row: names (the first is the attribute), kind,
// default, then since / removed / choices where they matter. A flag outside its range of releases is refused like any
// other unknown one, which is what a supervisor has to plan for. Ranges are those of the project's notes on vLLM; a flag
// without one is taken by every release.

export type FlagKind = 'bool' | 'int' | 'float' | 'string' | 'json' | 'list';

export interface Flag {
  names: readonly string[];
  kind: FlagKind;
  fallback?: number | string | boolean;
  since?: string;
  removed?: string;
  choices?: readonly string[];
}

type Extra = Pick<Flag, 'fallback' | 'since' | 'removed' | 'choices'>;
const flag = (names: string, kind: FlagKind, extra: Extra = {}): Flag => ({
  names: names.split(' '),
  kind,
  ...extra,
});
const all = (kind: FlagKind, names: string): Flag[] => names.split(/\s+/).map((name) => flag(name, kind));

export const serveFlags: readonly Flag[] = [
  // Model, address, access.
  ...all(
    'string',
    '--model --tokenizer --revision --tokenizer-revision --code-revision --download-dir --config',
  ),
  ...all('string', '--hf-config-path --chat-template --response-role --root-path --uds --config-format'),
  flag('--host', 'string'),
  flag('--port', 'int', { fallback: 8000 }),
  ...all('list', '--served-model-name --api-key --allowed-origins --middleware --lora-modules'),
  ...all('string', '--ssl-keyfile --ssl-certfile --ssl-ca-certs --tool-call-parser --reasoning-parser'),
  ...all(
    'bool',
    '--enable-ssl-refresh --trust-remote-code --headless --disable-fastapi-docs --skip-tokenizer-init',
  ),
  ...all('bool', '--disable-uvicorn-access-log --enable-request-id-headers --enable-server-load-tracking'),
  ...all('bool', '--enable-prompt-tokens-details --enable-force-include-usage --enable-auto-tool-choice'),
  flag('--api-server-count -asc', 'int'),
  flag('--uvicorn-log-level', 'string', {
    fallback: 'info',
    choices: ['debug', 'info', 'warning', 'error', 'critical', 'trace'],
  }),
  flag('--disable-access-log-for-endpoints', 'string'),
  flag('--load-format', 'string', { fallback: 'auto' }),
  flag('--seed', 'int', { fallback: 0 }),
  flag('--task', 'string'),
  flag('--runner', 'string', { choices: ['auto', 'generate', 'pooling', 'draft'] }),
  flag('--convert', 'string', { choices: ['auto', 'none', 'embed', 'classify', 'reward'] }),
  // Parallelism and placement.
  flag('--tensor-parallel-size -tp', 'int', { fallback: 1 }),
  flag('--pipeline-parallel-size -pp', 'int', { fallback: 1 }),
  flag('--data-parallel-size -dp', 'int', { fallback: 1 }),
  flag('--decode-context-parallel-size -dcp', 'int', { fallback: 1 }),
  flag('--prefill-context-parallel-size -pcp', 'int', { fallback: 1 }),
  flag('--data-parallel-rank -dpn', 'int'),
  flag('--data-parallel-start-rank -dpr', 'int'),
  flag('--data-parallel-size-local -dpl', 'int'),
  flag('--data-parallel-address -dpa', 'string'),
  flag('--data-parallel-rpc-port -dpp', 'int'),
  flag('--data-parallel-backend -dpb', 'string', { fallback: 'mp' }),
  flag('--data-parallel-hybrid-lb -dph', 'bool', { since: '0.10' }),
  flag('--data-parallel-external-lb -dpe', 'bool', { since: '0.10' }),
  flag('--data-parallel-multi-port-external-lb', 'bool', { since: '0.22' }),
  flag('--enable-expert-parallel -ep', 'bool'),
  flag('--distributed-executor-backend', 'string', { choices: ['uni', 'mp', 'ray', 'external_launcher'] }),
  flag('--nnodes -n', 'int', { since: '0.12' }),
  flag('--node-rank -r', 'int', { since: '0.12' }),
  flag('--master-addr', 'string', { since: '0.12' }),
  flag('--master-port', 'int', { since: '0.12' }),
  flag('--distributed-timeout-seconds', 'int'),
  flag('--device-ids', 'list', { since: '0.24' }),
  flag('--numa-bind', 'bool', { since: '0.20' }),
  flag('--enable-elastic-ep', 'bool', { since: '0.17' }),
  flag('--enable-fault-tolerance', 'bool', { since: '0.26' }),
  ...all('bool', '--disable-custom-all-reduce --enable-eplb'),
  // Memory, batch, scheduling.
  flag('--gpu-memory-utilization', 'float'),
  flag('--kv-cache-memory-bytes', 'int', { since: '0.11' }),
  flag('--max-model-len', 'int'),
  flag('--max-num-seqs', 'int'),
  flag('--max-num-batched-tokens', 'int'),
  flag('--max-num-queued-reqs', 'int', { since: '0.28' }),
  flag('--max-num-queued-tokens', 'int', { since: '0.28' }),
  ...all('bool', '--enable-chunked-prefill --enable-prefix-caching --disable-sliding-window'),
  flag('--prefix-caching-hash-algo', 'string', {
    fallback: 'sha256',
    choices: ['sha256', 'sha256_cbor', 'xxhash', 'xxhash_cbor'],
  }),
  flag('--block-size', 'int'),
  flag('--kv-cache-dtype', 'string', { fallback: 'auto' }),
  flag('--kv-cache-dtype-skip-layers', 'list', { since: '0.19' }),
  flag('--calculate-kv-scales', 'bool', { removed: '0.28' }),
  flag('--num-gpu-blocks-override', 'int'),
  flag('--kv-offloading-size', 'float', { since: '0.12' }),
  flag('--kv-offloading-backend', 'string', { since: '0.12', choices: ['native', 'lmcache'] }),
  flag('--cpu-offload-gb', 'float', { fallback: 0 }),
  flag('--offload-backend', 'string'),
  flag('--swap-space', 'float', { removed: '0.17' }),
  flag('--scheduling-policy', 'string', { fallback: 'fcfs', choices: ['fcfs', 'priority'] }),
  flag('--async-scheduling', 'bool', { since: '0.10' }),
  flag('--long-prefill-token-threshold', 'int'),
  flag('--max-num-scheduled-tokens', 'int'),
  flag('--max-num-partial-prefills', 'int', { removed: '0.26' }),
  flag('--max-long-partial-prefills', 'int'),
  flag('--watermark', 'float', { since: '0.24' }),
  flag('--scheduler-reserve-full-isl', 'bool', { since: '0.19' }),
  flag('--stream-interval', 'int', { fallback: 1 }),
  flag('--disable-hybrid-kv-cache-manager', 'bool'),
  flag('--num-scheduler-steps', 'int', { removed: '0.10.1' }),
  flag('--preemption-mode', 'string', { removed: '0.11' }),
  flag('--disable-async-output-proc', 'bool', { removed: '0.11' }),
  flag('--num-lookahead-slots', 'int', { removed: '0.12' }),
  // Execution.
  flag('--enforce-eager', 'bool'),
  flag('--compilation-config -cc -O', 'json'),
  flag('--optimization-level', 'int', { since: '0.12' }),
  flag('--cudagraph-capture-sizes', 'list', { since: '0.12' }),
  flag('--max-cudagraph-capture-size', 'int', { since: '0.12' }),
  flag('--cuda-graph-sizes', 'list', { removed: '0.13' }),
  flag('--max-seq-len-to-capture', 'int', { removed: '0.11' }),
  flag('--performance-mode', 'string', {
    since: '0.17',
    choices: ['balanced', 'interactivity', 'throughput'],
  }),
  flag('--attention-backend', 'string', { since: '0.13' }),
  flag('--quantization -q', 'string'),
  flag('--dtype', 'string', {
    fallback: 'auto',
    choices: ['auto', 'half', 'float16', 'bfloat16', 'float', 'float32'],
  }),
  flag('--device', 'string', { removed: '0.10' }),
  flag('--speculative-config -sc', 'json'),
  flag('--spec-method', 'string', { since: '0.22' }),
  flag('--spec-model', 'string', { since: '0.22' }),
  flag('--spec-tokens', 'int', { since: '0.22' }),
  ...all('json', '--hf-overrides --override-generation-config --additional-config --limit-mm-per-prompt'),
  ...all('string', '--generation-config --tokenizer-mode --model-impl --logits-processors --hf-token'),
  flag('--rope-scaling', 'json', { removed: '0.11.1' }),
  flag('--override-attention-dtype', 'string', { removed: '0.28' }),
  flag('--guided-decoding-backend', 'string', { removed: '0.12' }),
  flag('--structured-outputs-config', 'json', { since: '0.11' }),
  flag('--enable-reasoning', 'bool', { removed: '0.10' }),
  ...all('bool', '--enable-lora --fully-sharded-loras --enable-sleep-mode --enable-prompt-embeds'),
  flag('--enable-cumem-allocator', 'bool', { since: '0.22' }),
  ...all('int', '--max-loras --max-lora-rank --max-cpu-loras'),
  flag('--lora-extra-vocab-size', 'int', { removed: '0.12' }),
  ...all('json', '--kv-transfer-config --kv-events-config --model-loader-extra-config --pooler-config'),
  flag('--ec-transfer-config', 'json'),
  // Observation and stop.
  ...all('bool', '--disable-log-stats --enable-log-outputs'),
  flag('--disable-log-requests', 'bool', { removed: '0.17' }),
  flag('--enable-log-requests', 'bool', { since: '0.10' }),
  flag('--aggregate-engine-logging', 'bool'),
  flag('--show-hidden-metrics-for-version', 'string'),
  flag('--kv-cache-metrics', 'bool', { since: '0.12' }),
  flag('--kv-cache-metrics-sample', 'float', { since: '0.12', fallback: 0.01 }),
  flag('--cudagraph-metrics', 'bool'),
  flag('--enable-mfu-metrics', 'bool'),
  flag('--enable-logging-iteration-details', 'bool'),
  ...all('string', '--otlp-traces-endpoint'),
  ...all('list', '--collect-detailed-traces'),
  flag('--max-logprobs', 'int', { fallback: 20 }),
  flag('--max-log-len', 'int'),
  flag('--shutdown-timeout', 'int', { fallback: 0, since: '0.18' }),
];
