import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with what passed only at a second try, and one plain line of counts for programs that read test logs. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const retried: string[] = [];
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state] += 1;
        if (state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0) retried.push(test.fullName);
      }
      if (module.errors().length > 0) count.failed += 1;
    }
    for (const name of retried) process.stdout.write(`\npassed only at the second try: ${name}`);
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  }
}
