/** `infernode top`: rates between two pages, the picture, and a screen that leaves the terminal as it found it. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { countsOf, ratesBetween } from '../../../src/cli/top/gateway-rates.js';
import { renderTop } from '../../../src/cli/top/render-top.js';
import { runTopScreen } from '../../../src/cli/top/top-screen.js';
import type { ClusterState } from '../../../src/domain/cluster-state.js';
import { eventually } from '../../support/running-up.js';

const page = (requests: number, tokens: number, fast: number, slow: number): string => `
infernode_gateway_requests_total{model="a",outcome="ok"} ${requests}
infernode_gateway_requests_total{model="b",outcome="ok"} 1
infernode_gateway_completion_tokens_total{model="a"} ${tokens}
infernode_gateway_time_to_first_token_seconds_bucket{model="a",le="0.1"} ${fast}
infernode_gateway_time_to_first_token_seconds_bucket{model="a",le="0.5"} ${fast + slow}
infernode_gateway_time_to_first_token_seconds_bucket{model="a",le="+Inf"} ${fast + slow}
`;

it('rates are what came between two looks; the first look and a restarted coordinator have none', () => {
  const first = countsOf(page(10, 100, 5, 5), 0);
  const second = countsOf(page(30, 500, 14, 6), 2000);
  expect(ratesBetween(null, first)).toBeNull();
  expect(ratesBetween(second, first)).toBeNull();
  const rates = ratesBetween(first, second);
  expect(rates).toMatchObject({ requestsPerSecond: 10, tokensPerSecond: 200 });
  // Nine of ten below 100 ms: the ninth decile is that bound, the median five ninths of it.
  expect(rates?.ttftP90Seconds).toBeCloseTo(0.1);
  expect(rates?.ttftP50Seconds).toBeCloseTo(0.1 * (5 / 9));
  expect(ratesBetween(second, countsOf(page(30, 500, 14, 6), 3000))?.ttftP50Seconds).toBeNull();
});

it('counts what passed where no engine reported tokens', () => {
  const streamed = (first: number, more: number): string => `
infernode_gateway_time_to_first_token_seconds_count{model="a"} ${first}
infernode_gateway_inter_token_latency_seconds_count{model="a"} ${more}
`;
  const rates = ratesBetween(countsOf(streamed(1, 99), 0), countsOf(streamed(3, 297), 1000));
  expect(rates?.tokensPerSecond).toBe(200);
});

const cluster: ClusterState = {
  coordinatorVersion: '1',
  foreignChains: [],
  nodes: [
    {
      address: 'a:1',
      watch: 'silent',
      reason: 'heard 4 s ago',
      silentForMs: 4000,
      agentVersion: '',
      state: null,
    },
  ],
  endpoints: [],
  models: [{ name: 'm', aliases: [], strategy: 'chwbl', endpoints: 1, eligibleEndpoints: 0, inFlight: 3 }],
};

it('the picture has the sums first, and says what it lacks', () => {
  const lines = renderTop({ atMs: 0, cluster, rates: null, problem: '' });
  expect(lines[0]).toBe(
    'infernode top  00:00:00  0/1 nodes  0/0 GPUs healthy  0/0 engines eligible  3 in flight',
  );
  expect(lines.join('\n')).toContain('a:1  silent: heard 4 s ago');
  expect(renderTop({ atMs: 0, cluster: null, rates: null, problem: 'refused' }).join()).toContain('refused');
});

function aTerminal(isTTY: boolean) {
  const input = Object.assign(new PassThrough(), {
    isTTY,
    raw: [] as boolean[],
    setRawMode: (on: boolean) => input.raw.push(on),
  });
  const output = Object.assign(new PassThrough(), { isTTY, columns: 10, rows: 4 });
  let written = '';
  output.on('data', (data: Buffer) => (written += data.toString()));
  return { input, output, written: () => written };
}

it('on a terminal it draws within the borders until q, and puts the terminal back', async () => {
  const terminal = aTerminal(true);
  const frame = () => Promise.resolve(['0123456789ABC', 'second', 'third', 'fourth', 'fifth']);
  const done = runTopScreen({ terminal, frame, intervalMs: 60_000, count: null });
  await eventually('a frame is drawn', () => terminal.written().includes('q to quit'));
  terminal.input.write('x');
  terminal.input.write('q');
  await done;
  expect(terminal.written()).not.toContain('A');
  expect(terminal.written()).toContain('... 3 mor');
  expect(terminal.written()).not.toContain('third');
  expect(terminal.written().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  expect(terminal.input.raw).toEqual([true, false]);
});

it('elsewhere it prints plain lines, and ends by count', async () => {
  const terminal = aTerminal(false);
  await runTopScreen({ terminal, frame: () => Promise.resolve(['one', 'two']), intervalMs: 1, count: 2 });
  expect(terminal.written()).toBe('one\ntwo\n\none\ntwo\n\n');
});
