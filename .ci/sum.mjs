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
/** Failed in the whole run, passed alone. */
const second = [];

/** Tests that passed in the second run, by file and name. */
function passedIn(report) {
  const passed = new Set();
  for (const { name, assertionResults } of report?.testResults ?? [])
    for (const test of assertionResults) if (test.status === 'passed') passed.add(`${name}\n${test.fullName}`);
  return passed;
}

function addReport(report, again) {
  sum.skipped += report.numPendingTests + report.numTodoTests;
  sum.passed += report.numPassedTests;
  const mended = passedIn(again);
  let failed = 0;
  for (const file of report.testResults) {
    const tests = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of tests) {
      const what = `${file.name.replace(`${process.cwd()}/`, '')}: ${test.fullName}`;
      if (mended.has(`${file.name}\n${test.fullName}`)) {
        sum.passed++;
        second.push(what);
      } else {
        sum.failed++;
        failed++;
        failures.push(what);
      }
    }
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
    const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);
    const before = second.length;
    const failed = addReport(read(path), read(`${path}.again`));
    if (!ok && failed === 0 && second.length === before) {
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

for (const what of second) console.log(`needed a second run: ${what}`);
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
process.exitCode = sum.failed > 0 ? 1 : 0;
