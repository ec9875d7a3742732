// Writes deploy/kubernetes/monitoring/prometheus-rule.yaml from the rules in deploy/monitoring, so that there is one source of them;
// run it after a change of the rules and commit the result (a test compares them).
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';

const deploy = new URL('../deploy/', import.meta.url).pathname;
const target = `${deploy}kubernetes/monitoring/prometheus-rule.yaml`;

export function renderPrometheusRule() {
  const groups = ['recording-rules.yaml', 'alert-rules.yaml'].flatMap(
    (file) => parse(readFileSync(`${deploy}monitoring/${file}`, 'utf8')).groups,
  );
  const rule = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'infernode' },
    spec: { groups },
  };
  return `# Written by scripts/generate-prometheus-rule.mjs; change deploy/monitoring instead.\n${stringify(rule, { lineWidth: 0 })}`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(target, renderPrometheusRule());
