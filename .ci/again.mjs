// Prints the files whose tests failed in a report of vitest, for a second run of them alone; exits 1 where there are none, or more than a
// few: that is no accident of a busy machine. A test that fails twice has failed; one that passes then is named by sum.mjs.
import { existsSync, readFileSync } from 'node:fs';

const MOST_TESTS = 3;
const path = process.argv[2] ?? '';
const { testResults = [] } = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
const failed = testResults.filter(({ status }) => status === 'failed');
const tests = failed.flatMap(({ assertionResults }) => assertionResults.filter(({ status }) => status === 'failed'));
const whole = failed.every(({ assertionResults }) => assertionResults.some(({ status }) => status === 'failed'));
if (tests.length === 0 || tests.length > MOST_TESTS || !whole) process.exit(1);
console.log(failed.map(({ name }) => name.replace(`${process.cwd()}/`, '')).join('\n'));
