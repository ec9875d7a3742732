import { z } from 'zod';

/** Processes that run CUDA beside the agent: the short probe of a device and its heartbeat (`src/device/README.md`). */
export const probeSchema = z
  .strictObject({
    library: z.string().min(1).default('libcuda.so.1'),
    /** Of a short probe; the health data's `active_probe` allows 10 s. */
    timeLimitMs: z.int().min(1000).max(600_000).default(10_000),
    /** Of the memory pattern test; never more than half of what is free. */
    memoryMiB: z.int().min(1).max(1_048_576).default(256),
    /** A short probe of its devices before each start of an engine; a device that fails takes none. */
    beforeStart: z.enum(['off', 'on']).default('off'),
    /** A CUDA context for each device for as long as the agent runs: only where it is asked for. */
    heartbeat: z.enum(['off', 'on']).default('off'),
    intervalMs: z.int().min(100).max(60_000).default(1000),
    /** Longer than a beat waits behind an engine's long kernels. */
    missedAfterMs: z.int().min(500).max(600_000).default(10_000),
    /** No heartbeat is started where less is free: a context takes a few hundred MiB that an engine may need. */
    minFreeMiB: z.int().min(0).max(1_048_576).default(1024),
  })
  .refine(({ intervalMs, missedAfterMs }) => missedAfterMs > intervalMs, {
    path: ['missedAfterMs'],
    message: 'expected more than intervalMs; a beat cannot be missed before it is due',
  });
export type ProbeConfig = z.infer<typeof probeSchema>;
