import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/gpu/**', 'test/packages/**'],
    reporters: ['default', './test/support/closing-line-reporter.ts'],
    // Tests start real processes; two at a time is what two cores carry.
    maxWorkers: 2,
    // Real processes on a shared machine: one more try there, and the closing line names every test that needed it.
    retry: process.env['CI'] === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
