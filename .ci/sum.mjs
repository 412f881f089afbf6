// Adds up what .ci/run left in a folder: steps.tsv (exit code, name) and vitest's JSON reports. Runs on any Node >= 20.
//
// A step that ran tests is counted by its tests. If it failed though none of them did (it crashed, an unhandled error), or
// wrote no report, it counts as one failure of its own.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
const REPORTS = new Map([
  ['test', 'tests.json'],
  ['test:programs', 'tests-programs.json'],
  ['faults:coalescing', 'tests-faults-coalescing.json'],
  ['faults', 'tests-faults.json'],
  ['test:22', 'tests-22.json'],
]);

const sum = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

function addReport(report) {
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
  let failed = report.numFailedTests;
  for (const file of report.testResults) {
    const tests = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of tests) failures.push(`${file.name.replace(`${process.cwd()}/`, '')}: ${test.fullName}`);
    if (file.status === 'failed' && tests.length === 0) {
      // The file itself could not run.
      sum.failed++;
      failed++;
      failures.push(`${file.name.replace(`${process.cwd()}/`, '')}: ${(file.message ?? '').split('\n')[0]}`);
    }
  }
  return failed;
}

const lines = existsSync(join(folder, 'steps.tsv')) ? readFileSync(join(folder, 'steps.tsv'), 'utf8').trim().split('\n') : [];
for (const line of lines) {
  const [code, name] = line.split('\t');
  const ok = code === '0';
  const path = REPORTS.has(name) ? join(folder, REPORTS.get(name)) : undefined;
  if (path !== undefined && existsSync(path)) {
    const failed = addReport(JSON.parse(readFileSync(path, 'utf8')));
    if (!ok && failed === 0) {
      sum.failed++;
      failures.push(`${name}: ended with code ${code} though no test failed`);
    }
  } else if (ok) {
    sum.passed++;
  } else {
    sum.failed++;
    failures.push(`step ${name}: ended with code ${code}`);
  }
}
if (lines.length === 0) {
  sum.failed++;
  failures.push('no step was run');
}

for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
process.exitCode = sum.failed > 0 ? 1 : 0;
