/** `NodeService.ReportWork` on the wire: each report of a coordinator is taken at once and acknowledged. */
import type { handleBidiStreamingCall } from '@grpc/grpc-js';
import { toServiceError, reasonOf } from '../rpc/grpc-status.js';
import type { WorkAck } from '../rpc/generated/infernode/node/v1/WorkAck.js';
import type { WorkReport__Output } from '../rpc/generated/infernode/node/v1/WorkReport.js';
import { workReportFromProto } from '../rpc/work-proto.js';
import type { Logger } from '../runtime/logger.js';
import type { NodeMetrics } from './node-metrics.js';
import type { ReportedWork } from './reported-work.js';

export interface ReportWorkOptions {
  work: Pick<ReportedWork, 'open'>;
  metrics: NodeMetrics;
  logger: Logger;
}

export function reportWorkWith({
  work,
  metrics,
  logger,
}: ReportWorkOptions): handleBidiStreamingCall<WorkReport__Output, WorkAck> {
  return (call) => {
    const stream = work.open(() => call.end());
    const acknowledge = acknowledgeThrough((ack) => call.write(ack));
    call.on('data', (message: WorkReport__Output) => {
      try {
        const report = workReportFromProto(message);
        if (report) acknowledge.upTo(stream.take(report));
      } catch (thrown) {
        const error = toServiceError(thrown);
        const reason = reasonOf(error) ?? 'internal';
        metrics.rpcErrors.inc({ method: 'ReportWork', reason });
        logger.warn({ reason, details: error.details }, 'a report of work in flight was refused');
        stream.end();
        call.emit('error', error);
      }
    });
    call.on('drain', () => acknowledge.drained());
    call.on('end', () => {
      stream.end();
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error'] as const) call.on(event, () => stream.end());
  };
}

/** The newest acknowledgement says all: of those that wait for a slow reader only that one is kept. */
function acknowledgeThrough(write: (ack: WorkAck) => boolean) {
  let ready = true;
  let waiting: number | null = null;
  const upTo = (sequence: number): void => {
    if (ready) ready = write({ sequence });
    else waiting = sequence;
  };
  const drained = (): void => {
    ready = true;
    const sequence = waiting;
    waiting = null;
    if (sequence !== null) upTo(sequence);
  };
  return { upTo, drained };
}
