/** Events of one answer, by mode. */
const events = { burst: 40, paced: 40 };

/** The rows as a table to be read, with the conditions in its head. */
export function markdownOf({ date, machine, seconds, rows }) {
  const cell = (row) =>
    [
      `${row.mode}, ${row.connections} connections${row.rate ? `, ${row.rate} requests/s` : ''}`,
      row.proxy,
      Math.round(row.requestsPerSecond),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.firstByteP50Ms.toFixed(2),
      Math.round(1e6 / row.requestsPerCpuSecond),
      events[row.mode] ? (1e6 / row.requestsPerCpuSecond / events[row.mode]).toFixed(1) : '-',
      row.cpuSeconds.toFixed(2),
      row.ofHaproxy?.toFixed(2) ?? '-',
      row.ofHaproxyNoDelay?.toFixed(2) ?? '-',
      (row.rssKib / 1024).toFixed(0),
      row.errors,
    ].join(' | ');
  const of = (mode) => rows.find((row) => row.mode === mode);
  const added = of('added latency at half load');
  const idle = of('memory per idle stream');
  return [
    `# Gateway beside HAProxy and nginx`,
    '',
    `${date}, ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}; load average before the run ` +
      `${machine.loadAverage.map((n) => n.toFixed(1)).join(' ')} (other work on the same CPUs when it is not near 0). ` +
      `${seconds.seconds} s per row, paced ${seconds['paced-seconds']} s, loopback, one CPU for the proxy, one for client and upstream.`,
    '',
    '| load | proxy | req/s | p50 ms | p99 ms | first byte p50 ms | CPU us/req | CPU us/event | CPU s of the row | req/CPU-s of HAProxy | of HAProxy without delay | RSS MiB | errors |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows.filter((row) => row.requestsPerCpuSecond).map((row) => `| ${cell(row)} |`),
    '',
    added &&
      `Added latency at half load of a core (${added.rate} requests/s, CPU share ${added.cpuShare.toFixed(2)}), median of three turns ` +
        `with the upstream alone: p50 ${added.p50Ms.toFixed(2)} ms, p99 ${added.p99Ms.toFixed(2)} ms.`,
    idle &&
      `${idle.open} of ${idle.streams} idle streams open in a fresh process: RSS growth ${idle.kib.toFixed(1)} KiB each. ` +
        `Without connections it takes ${(100 * idle.idleCpuShare).toFixed(2)} % of a core.`,
    ...rows.filter((row) => row.mode === 'two workers').map(twoWorkers),
    '',
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

function twoWorkers({ load: { mode, rate, connections }, ratio, halfRatio }) {
  const beside = halfRatio === null ? '' : ` (one process at half of the rate: ${halfRatio.toFixed(2)})`;
  return (
    `Two workers, ${mode}${rate ? ` at ${rate} requests/s` : ''}, ${connections} connections: ` +
    `${ratio.toFixed(2)} of the CPU per request of one${beside}.`
  );
}
