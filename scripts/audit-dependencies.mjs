// `npm audit` of what runs in production. A registry that answers no advisories (many mirrors do not) is said, and is no success of the audit.
import { spawnSync } from 'node:child_process';

const { stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' });
let report;
try {
  report = JSON.parse(stdout);
} catch {
  report = { message: (stderr || stdout).trim().split('\n')[0] };
}
const counts = report.metadata?.vulnerabilities;
if (!counts) {
  const why = report.error?.summary || report.message || report.error?.code || 'no answer';
  console.log(`npm audit: NOT CHECKED, the registry gives no advisories (${String(why).slice(0, 200)})`);
} else if (counts.total > 0) {
  console.error(`npm audit: ${counts.total} known in production dependencies`);
  for (const [name, { severity }] of Object.entries(report.vulnerabilities))
    console.error(`  ${severity}  ${name}`);
  process.exit(1);
} else
  console.log(`npm audit: nothing known of ${report.metadata.dependencies.prod} production dependencies`);
