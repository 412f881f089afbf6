/**
 * Writes src/admin/page.gen.ts, the live page as one text, from its parts in src/admin/page.
 *
 *     node scripts/gen-page.ts            write the file
 *     node scripts/gen-page.ts --check    exit 1 if the file is not what would be written
 *
 * `page.html` is the frame; the style sheets go into its `<style>`, and the modules, from `main.ts` on, into its `<script>`: types,
 * comments and white space are left out, and each module comes after those it imports. There is no bundler: a page of this size
 * needs none, and every package that is not installed is one that can't be attacked.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './process.ts';

/** In the order of the cascade. */
const STYLES = ['base.css', 'layout.css', 'table.css', 'panels.css', 'narrow.css'];
const FOLDER = join(ROOT, 'src/admin/page');
const OUT = join(ROOT, 'src/admin/page.gen.ts');
/** The page travels with every install: it has to stay small. */
const MAX_BYTES = 60_000;

const [flag, ...extra] = process.argv.slice(2);
if ((flag !== undefined && flag !== '--check') || extra.length > 0) {
  console.error('usage: node scripts/gen-page.ts [--check]');
  process.exit(2);
}

const source = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

/** `import { a } from './b.ts';`, over several lines too. */
const IMPORTS = /^import\s+(type\s)?[^;]*?from '([^']+)';\n/gm;

/** The modules that `name` needs, itself last; each once. */
function inOrder(name: string, seen: Set<string> = new Set()): readonly string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const needed = [...source(name).matchAll(IMPORTS)].filter(([, type]) => type === undefined).map(([, , from = '']) => from);
  const foreign = needed.find((from) => !from.startsWith('./'));
  if (foreign !== undefined) throw new Error(`${name} imports ${foreign}: the page has only its own modules, and types of others`);
  return [...needed.flatMap((from) => inOrder(from.slice(2), seen)), name];
}

/** Text in quotes, a template without templates in it, a comment, or white space. */
const PIECES = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|\/\/.*|\/\*[\s\S]*?\*\/|\s+/g;

/**
 * Code without comments and without white space that means nothing: each statement has its semicolon (the formatter sees to it), so
 * lines may be joined. Of regular expressions it knows nothing, and of templates in templates: main.ts has to do without.
 */
function dense(code: string): string {
  const bare = code.replace(PIECES, (piece) => (/^['"`]/.test(piece) ? piece : ' '));
  return bare.replace(PIECES, (piece, at: number) => {
    if (/^['"`]/.test(piece)) return piece;
    const [before = '', after = ''] = [bare[at - 1], bare[at + piece.length]];
    const needed = (/[\w$]/.test(before) && /[\w$]/.test(after)) || (before === after && /[+-]/.test(before));
    return needed ? ' ' : '';
  });
}

/**
 * The same with fewer letters: nothing after the last of a list or block, no brackets round a lone argument, short names for private
 * fields, and `let`, for the compiler has seen to what is constant.
 */
function shorter(code: string): string {
  const names = new Map<string, string>();
  const short = (name: string): string => names.get(name) ?? names.set(name, `#${(names.size + 10).toString(36)}`).get(name) ?? name;
  return code.replace(
    /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|[,;](?=[}\])])|#\w+|\(\w+\)=>|\b(?:const|undefined)\b/g,
    (piece) => {
      if (piece.endsWith('=>')) return piece.replace(/[()]/g, '');
      if (piece === 'const') return 'let';
      if (piece === 'undefined') return 'void 0';
      if (piece.startsWith('#')) return short(piece);
      return piece.length === 1 ? '' : piece;
    },
  );
}

const EXPORT = /^export (?:async )?(?:const|function|class) (\w+)/gm;

/** A module as part of one script: a function of its own around it gives what it exports to those that come after. */
function script(name: string): string {
  const code = stripTypeScriptTypes(source(name).replace(IMPORTS, ''));
  const names = [...code.matchAll(EXPORT)].map(([, exported = '']) => exported);
  const inner = shorter(dense(code.replace(/^export /gm, '')));
  return names.length === 0 ? inner : `let{${names}}=(()=>{${inner};return{${names}}})();`;
}

/** The style without what a browser has no need of; its properties get short names, but for those that modules set. */
function style(): string {
  const names = new Map<string, string>();
  const short = (name: string): string => names.get(name) ?? names.set(name, `--${names.size.toString(36)}`).get(name) ?? name;
  return STYLES.map(source)
    .join('\n')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,>!]) ?/g, '$1')
    .replace(/: /g, ':')
    .replace(/;}/g, '}')
    .replace(/=["'](\w+)["']\]/g, '=$1]')
    .replace(/\b0\./g, '.')
    .replace(/#(\w)\1(\w)\2(\w)\3\b/g, '#$1$2$3')
    .replace(/--(?!share\b)[a-z][a-z-]*/g, short)
    .trim();
}

/** One text in place of the one `mark` in `frame`. */
function filled(frame: string, mark: string, text: string): string {
  const parts = frame.split(mark);
  if (parts.length !== 2) throw new Error(`page.html must have ${mark} once`);
  return parts.join(text);
}

function render(): string {
  const modules = inOrder('main.ts').map(script).join('\n');
  if (/<\/script|<!--/i.test(modules)) throw new Error('a module has what would end its <script>');
  const frame = source('page.html')
    .replace(/<!-- [\s\S]*? -->\n?/g, '')
    .replace(/\n\s*/g, '\n');
  const page = filled(filled(frame, '/* style */', style()), '/* script */', `(()=>{'use strict';\n${modules}\n})();`);
  const bytes = Buffer.byteLength(page);
  if (bytes > MAX_BYTES) throw new Error(`the page has ${bytes} bytes, more than ${MAX_BYTES}`);
  return `/**
 * The live page, whole: one text without anything to load from elsewhere, with one \`<style>\` and one \`<script>\`.
 *
 * Generated from src/admin/page by scripts/gen-page.ts. Do not edit: run \`npm run gen\`.
 *
 * @packageDocumentation
 */
export const PAGE: string = ${JSON.stringify(page)};
`;
}

const text = render();
if (flag === '--check') {
  if (!existsSync(OUT) || readFileSync(OUT, 'utf8') !== text) {
    console.error('src/admin/page.gen.ts is not what src/admin/page says: run `npm run gen`');
    process.exitCode = 1;
  }
} else {
  writeFileSync(OUT, text);
}
