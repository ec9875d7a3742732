// Writes deploy/monitoring/dashboards/*.json for Grafana from the panels below; run it after a change and commit the result
// (a test compares them). A panel is a title, a unit of Grafana and queries with their legends.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = new URL('../deploy/monitoring/dashboards', import.meta.url).pathname;

const p99 = (name, by) =>
  `histogram_quantile(0.99, sum by (${by}, le) (rate(${name}_bucket[$__rate_interval])))`;

const dashboards = {
  'infernode-cluster': {
    title: 'infernode / cluster',
    variables: {},
    panels: [
      ['Ready replicas', 'short', [['infernode:cluster_ready_endpoints:sum', '{{model}}']]],
      ['Requests per second', 'reqps', [['infernode:gateway_requests:rate1m', '{{model}}']]],
      [
        'Requests by how they end',
        'reqps',
        [['sum by (outcome) (rate(infernode_gateway_requests_total[$__rate_interval]))', '{{outcome}}']],
      ],
      [
        'Time to first token',
        's',
        [
          ['infernode:gateway_time_to_first_token_seconds:p50_5m', 'p50 {{model}}'],
          ['infernode:gateway_time_to_first_token_seconds:p99_5m', 'p99 {{model}}'],
        ],
      ],
      [
        'Inter-token latency, p99',
        's',
        [['infernode:gateway_inter_token_latency_seconds:p99_5m', '{{model}}']],
      ],
      ['Tokens generated per second', 'short', [['infernode:gateway_completion_tokens:rate1m', '{{model}}']]],
      [
        'Prompt tokens found in a cache',
        'percentunit',
        [['infernode:gateway_prompt_cache_hit_ratio:rate10m', '{{model}}']],
      ],
      [
        'Requests in flight and waiting',
        'short',
        [
          ['sum(infernode_gateway_in_flight_requests)', 'in flight'],
          ['sum(infernode_gateway_queued_requests) or vector(0)', 'waiting'],
        ],
      ],
      ['GPUs by health', 'short', [['infernode:device_health:count', '{{state}}']]],
      ['Agents by how they are heard', 'short', [['sum by (state) (infernode_cluster_nodes)', '{{state}}']]],
    ],
  },
  'infernode-node': {
    title: 'infernode / node',
    variables: { node: 'infernode_device_health' },
    panels: [
      ['Health', 'short', [['infernode_device_health{node=~"$node"} == 1', '{{device}} {{state}}']]],
      [
        'Conditions that hold',
        'short',
        [
          [
            'sum by (device, check, severity) (infernode_device_condition{node=~"$node"}) or vector(0)',
            '{{device}} {{check}}',
          ],
        ],
      ],
      ['Temperature', 'celsius', [['infernode_device_temperature_celsius{node=~"$node"}', '{{device}}']]],
      ['Power', 'watt', [['infernode_device_power_watts{node=~"$node"}', '{{device}}']]],
      ['Utilization', 'percentunit', [['infernode_device_utilization_ratio{node=~"$node"}', '{{device}}']]],
      [
        'Memory in use',
        'percentunit',
        [
          [
            'infernode_device_memory_used_bytes{node=~"$node"} / infernode_device_memory_total_bytes{node=~"$node"}',
            '{{device}}',
          ],
        ],
      ],
      [
        'Xids',
        'short',
        [
          [
            'sum by (device, xid) (increase(infernode_device_xid_total{node=~"$node"}[1h]))',
            '{{device}} Xid {{xid}}',
          ],
        ],
      ],
      [
        'Age of the newest reading',
        's',
        [['infernode_device_sample_age_seconds{node=~"$node"}', '{{device}}']],
      ],
      ['Driver calls, p99', 's', [[p99('infernode_nvml_call_seconds', 'node'), '{{node}}']]],
      [
        'Agent: processor and memory',
        'short',
        [['rate(process_cpu_seconds_total{job="infernode-agent"}[$__rate_interval])', 'cores {{instance}}']],
      ],
    ],
  },
  'infernode-engine': {
    title: 'infernode / engine',
    variables: { engine_id: 'infernode_engine_state' },
    panels: [
      [
        'State',
        'short',
        [['infernode_engine_state{engine_id=~"$engine_id"} == 1', '{{node}}/{{engine_id}} {{state}}']],
      ],
      [
        'Restarts in an hour',
        'short',
        [
          [
            'increase(infernode_engine_restarts_total{engine_id=~"$engine_id"}[1h])',
            '{{node}}/{{engine_id}}',
          ],
        ],
      ],
      [
        'Crashes in a day, by cause',
        'short',
        [
          [
            'sum by (cause) (increase(infernode_engine_crashes_total{engine_id=~"$engine_id"}[1d])) or vector(0)',
            '{{cause}}',
          ],
        ],
      ],
      [
        'Hangs in a day',
        'short',
        [['increase(infernode_engine_hangs_total{engine_id=~"$engine_id"}[1d])', '{{node}}/{{engine_id}}']],
      ],
      ['Requests running (vLLM)', 'short', [['vllm:num_requests_running', '{{instance}}']]],
      ['Requests waiting (vLLM)', 'short', [['vllm:num_requests_waiting', '{{instance}}']]],
      ['KV cache in use (vLLM)', 'percentunit', [['vllm:kv_cache_usage_perc', '{{instance}}']]],
      [
        'Prefix cache hits (vLLM)',
        'percentunit',
        [
          [
            'rate(vllm:prefix_cache_hits_total[5m]) / (rate(vllm:prefix_cache_queries_total[5m]) > 0)',
            '{{instance}}',
          ],
        ],
      ],
    ],
  },
  'infernode-placement': {
    title: 'infernode / placement',
    variables: { model: 'infernode_placement_requests' },
    panels: [
      [
        'Decisions by outcome',
        'reqps',
        [
          [
            'sum by (outcome) (rate(infernode_placement_decisions_total{model=~"$model"}[$__rate_interval]))',
            '{{outcome}}',
          ],
        ],
      ],
      ['Requests by endpoint', 'short', [['infernode_placement_requests{model=~"$model"}', '{{endpoint}}']]],
      [
        'Uncached tokens before their first token',
        'short',
        [['infernode_placement_queued_tokens{model=~"$model"}', '{{endpoint}}']],
      ],
      [
        'Tokens of context in flight',
        'short',
        [['infernode_placement_context_tokens{model=~"$model"}', '{{endpoint}}']],
      ],
      [
        'Breakers',
        'short',
        [['infernode_placement_breaker_state{model=~"$model"} == 1', '{{endpoint}} {{state}}']],
      ],
      ['Blocks remembered', 'short', [['infernode_placement_memory_blocks{model=~"$model"}', '{{model}}']]],
      [
        'Reroutes and retries',
        'reqps',
        [
          ['sum(rate(infernode_gateway_reroutes_total[$__rate_interval])) or vector(0)', 'reroutes'],
          ['sum(rate(infernode_gateway_retries_total[$__rate_interval])) or vector(0)', 'retries'],
        ],
      ],
    ],
  },
  'infernode-autoscaling': {
    title: 'infernode / autoscaling',
    variables: { model: 'infernode_autoscaling_ready_replicas' },
    panels: [
      [
        'Replicas',
        'short',
        [
          ['max by (model) (infernode_autoscaling_desired_replicas{model=~"$model"})', 'desired {{model}}'],
          ['max by (model) (infernode_autoscaling_ready_replicas{model=~"$model"})', 'ready {{model}}'],
          ['max by (model) (infernode_autoscaling_warming_replicas{model=~"$model"})', 'warming {{model}}'],
          ['max by (model) (infernode_autoscaling_asleep_replicas{model=~"$model"})', 'asleep {{model}}'],
        ],
      ],
      [
        'Decisions by reason',
        'short',
        [
          [
            'sum by (direction, reason) (rate(infernode_autoscaling_decisions_total{model=~"$model"}[$__rate_interval]))',
            '{{direction}} {{reason}}',
          ],
        ],
      ],
      [
        'Backlog beside the objective',
        's',
        [
          ['max by (model) (infernode_autoscaling_backlog_seconds{model=~"$model"})', 'backlog {{model}}'],
          [
            'max by (model) (infernode_autoscaling_ttft_target_seconds{model=~"$model"})',
            'objective {{model}}',
          ],
        ],
      ],
      [
        'Latency over objective (p90)',
        'percentunit',
        [['max by (model) (infernode_autoscaling_slo_ratio{model=~"$model"})', '{{model}}']],
      ],
      [
        'KV cache in use',
        'percentunit',
        [
          [
            'avg by (model) (infernode_autoscaling_kv_cache_usage_mean_ratio{model=~"$model"})',
            'mean {{model}}',
          ],
          [
            'max by (model) (infernode_autoscaling_kv_cache_usage_max_ratio{model=~"$model"})',
            'fullest {{model}}',
          ],
        ],
      ],
      [
        'Requests waiting',
        'short',
        [['max by (model) (infernode_autoscaling_queued_requests{model=~"$model"})', '{{model}}']],
      ],
      [
        'Requests per second, turned away included',
        'reqps',
        [
          [
            'sum by (model) (infernode_autoscaling_incoming_requests_per_second{model=~"$model"})',
            '{{model}}',
          ],
        ],
      ],
      [
        'Age of the oldest input',
        's',
        [['max by (model) (infernode_autoscaling_input_age_seconds{model=~"$model"})', '{{model}}']],
      ],
    ],
  },
};

const datasource = { type: 'prometheus', uid: '${datasource}' };

function variable(name, metric) {
  return {
    name,
    type: 'query',
    datasource,
    query: { query: `label_values(${metric}, ${name})`, refId: name },
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

function panel([title, unit, queries], i) {
  return {
    id: i + 1,
    type: 'timeseries',
    title,
    datasource,
    gridPos: { x: (i % 2) * 12, y: Math.floor(i / 2) * 8, w: 12, h: 8 },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(([expr, legendFormat], n) => ({
      refId: String.fromCharCode(65 + n),
      datasource,
      expr,
      legendFormat,
    })),
  };
}

function dashboard(uid, { title, variables, panels }) {
  return {
    uid,
    title,
    tags: ['infernode'],
    schemaVersion: 39,
    editable: true,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', current: {} },
        ...Object.entries(variables).map(([name, metric]) => variable(name, metric)),
      ],
    },
    panels: panels.map(panel),
  };
}

export function renderDashboards() {
  return Object.entries(dashboards).map(([uid, definition]) => [
    `${uid}.json`,
    `${JSON.stringify(dashboard(uid, definition), null, 2)}\n`,
  ]);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of renderDashboards()) writeFileSync(join(directory, name), text);
}
