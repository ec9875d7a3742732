import type { KernelNews } from './device/sampler-news.js';
import type { DeviceHealthTracker } from './health/device-health.js';

/** Tells health what the sampler heard beside readings and events of devices. */
export function hearKernelLog(
  health: Pick<
    DeviceHealthTracker,
    'handleKernelRecord' | 'kernelLogRestarted' | 'kernelLogIs' | 'eventSetBroken' | 'kernelRecordsLost'
  >,
  news: KernelNews,
): void {
  switch (news.kind) {
    case 'record':
      return health.handleKernelRecord(news.record);
    case 'restart':
      return health.kernelLogRestarted();
    case 'event-set':
      return health.eventSetBroken(news.broken);
    case 'status':
      health.kernelLogIs(news.status.state);
      if (news.lost > 0) health.kernelRecordsLost(news.lost);
  }
}
