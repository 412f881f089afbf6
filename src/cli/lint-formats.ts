/**
 * Findings of lint as other programs read them.
 *
 * @packageDocumentation
 */
import type { Finding, Severity } from '../lint/codes.ts';
import { LINT_CODES } from '../lint/codes.ts';
import { ownVersion } from './package.ts';
import { json, safe } from './text.ts';

/** What GitHub calls them. */
const LEVELS: Readonly<Record<Severity, 'error' | 'warning' | 'notice'>> = { error: 'error', warning: 'warning', info: 'notice' };

/** Lines that a GitHub workflow shows at their places: `::error file=...,line=...::...`. */
export function githubLines(findings: readonly Finding[]): string[] {
  return findings.map(({ code, severity, file, line, column, path, message, fix }) => {
    const place = `file=${property(file)},line=${line},col=${column},title=${property(`${code} ${path}`)}`;
    return `::${LEVELS[severity]} ${place}::${data(fix === undefined ? message : `${message}\nfix: ${fix}`)}`;
  });
}

/** Escaped as the runner undoes it; what a terminal would obey is written out first. */
const data = (text: string): string =>
  text
    .split('\n')
    .map((line) => safe(line).replaceAll('%', '%25'))
    .join('%0A');
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** SARIF 2.1.0, for code scanning. */
export function sarif(findings: readonly Finding[]): string {
  const rules = Object.entries(LINT_CODES).map(([id, { severity, about }]) => ({
    id,
    shortDescription: { text: about },
    defaultConfiguration: { level: levelOf(severity) },
  }));
  const results = findings.map(({ code, severity, file, line, column, path, message, fix }) => ({
    ruleId: code,
    ruleIndex: rules.findIndex(({ id }) => id === code),
    level: levelOf(severity),
    message: { text: `${path}: ${message}${fix === undefined ? '' : `; fix: ${fix}`}` },
    locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: line, startColumn: column } } }],
  }));
  const driver = { name: 'inmesh lint', version: ownVersion(), rules };
  return json({ $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0', runs: [{ tool: { driver }, results }] }, 2);
}

const levelOf = (severity: Severity): string => (severity === 'info' ? 'note' : severity);

const uriOf = (file: string): string => file.replaceAll('\\', '/').split('/').map(encodeURIComponent).join('/');
