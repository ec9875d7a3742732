/** News of a run that decide nothing: they are shown, counted and learned from. */
import type { EngineContext } from './engine-context.js';
import type { EngineDegradation } from './engine-degradation.js';
import type { EngineView } from './engine-view.js';
import type { LiveRunCallbacks } from './live-run.js';
import type { EngineStarts } from './prepare-start.js';

type Shown = 'onProgress' | 'onLoaded' | 'onPage' | 'onUnclear' | 'onDraining' | 'onSignal' | 'onStuck';

export function showRun(
  id: string,
  { metrics, logger }: Pick<EngineContext, 'metrics' | 'logger'>,
  { view, starts, degradation }: { view: EngineView; starts: EngineStarts; degradation: EngineDegradation },
): Pick<LiveRunCallbacks, Shown> {
  return {
    onProgress: (progress) => {
      view.loading(progress);
      starts.progressed(progress);
    },
    onLoaded: (log) => {
      const graphs = starts.served(log);
      view.update({ graphs });
      const notice = starts.noticeOf(graphs);
      if (notice === '') return;
      logger.warn({ engine: id, graphs }, notice);
      if (view.status.state === 'ready') view.show('ready', notice);
    },
    onPage: (page) => {
      if (page) {
        view.update({ load: page.load });
        starts.batchSizes.note(page.load?.running ?? 0, page.progress.stepSizes);
      }
      degradation.look(page);
    },
    onUnclear: () => metrics.unclearProbe(id),
    onDraining: (why) => view.show('draining', why),
    onSignal: () => view.update({ evicting: true }),
    onStuck: (detail) => view.stuck(detail),
  };
}
