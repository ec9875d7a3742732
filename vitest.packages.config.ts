import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Tests that need programs from Debian's packages, which `.ci/run` installs. One at a time: each shares two cores with a server. */
export default defineConfig({
  test: { ...base.test, include: ['test/packages/**/*.test.ts'], exclude: [], maxWorkers: 1 },
});
