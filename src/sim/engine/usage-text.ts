import { serveFlags, type Flag } from './flag-table.js';
import { isPresent } from './vllm-version.js';

/** Printed on stderr before an error, as argparse does. */
export const serveUsage = 'usage: vllm serve [model_tag] [options]';
export const topUsage = 'usage: vllm [-h] [-v] {chat,complete,serve,launch,bench,collect-env,run-batch} ...';

/** Text of `vllm serve --help=all` for a release: every flag, one paragraph each. */
export function serveHelp(version: string): string {
  const lines = [
    serveUsage,
    '',
    'Launch a local OpenAI-compatible API server to serve LLM completions via HTTP.',
    '',
  ];
  lines.push(
    'positional arguments:',
    '  model_tag             The model tag to serve (optional if specified in config)',
    '',
  );
  lines.push('options:', '  -h, --help            show this help message and exit');
  for (const flag of serveFlags) if (isPresent(version, flag)) lines.push(flagLine(flag));
  return lines.join('\n') + '\n';
}

function flagLine({ names, kind, choices, fallback }: Flag): string {
  const long = names[0]!;
  const value = choices ? `{${choices.join(',')}}` : long.replace(/^--/, '').replace(/-/g, '_').toUpperCase();
  const forms =
    kind === 'bool'
      ? [...names, long.replace('--', '--no-')]
      : names.map((name) => `${name} ${value}${kind === 'list' ? ` [${value} ...]` : ''}`);
  return `  ${forms.join(', ')}\n                        (default: ${fallback === undefined ? 'None' : String(fallback)})`;
}
