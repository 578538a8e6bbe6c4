/**
 * Checks that the Markdown pages agree with the tree: links lead somewhere, commands exist, every
 * dependency is explained, every page can be reached from the README. `npm run check:docs`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Tree {
  /** Paths of all files, relative to the root. */
  readonly files: ReadonlySet<string>;
  read(path: string): string;
}

/** Every fault found, one sentence each, naming the page. */
export function checkDocs(tree: Tree): string[] {
  const pages = [...tree.files].filter((file) => file.endsWith('.md')).sort();
  return [
    ...pages.flatMap((page) => brokenLinks(tree, page)),
    ...pages.flatMap((page) => unknownScripts(tree, page)),
    ...unreachablePages(tree, pages),
    ...unexplainedDependencies(tree),
  ];
}

function brokenLinks(tree: Tree, page: string): string[] {
  return links(tree.read(page))
    .filter((link) => !exists(tree, resolveLink(page, link)))
    .map((link) => `${page}: the link to ${link} leads nowhere`);
}

function unknownScripts(tree: Tree, page: string): string[] {
  const scripts = rootScripts(tree);
  return [...tree.read(page).matchAll(/\bnpm run (?!-)([a-z][a-z0-9:-]*)(?! -w)\b/g)]
    .map((match) => match[1] ?? '')
    .filter((name) => !scripts.has(name))
    .map((name) => `${page}: there is no script "${name}" in package.json`);
}

function unreachablePages(tree: Tree, pages: readonly string[]): string[] {
  const reached = new Set<string>();
  const queue = ['README.md'];
  for (let page = queue.pop(); page !== undefined; page = queue.pop()) {
    if (reached.has(page) || !tree.files.has(page)) continue;
    reached.add(page);
    if (page.endsWith('.md')) {
      const from = page;
      queue.push(...links(tree.read(page)).map((link) => resolveLink(from, link)));
    }
  }
  return pages
    .filter((page) => page.startsWith('docs/') && !page.startsWith('docs/adr/'))
    .filter((page) => !reached.has(page))
    .map((page) => `${page}: no page that the README leads to links to it`);
}

function unexplainedDependencies(tree: Tree): string[] {
  const page = tree.read('docs/dependencies.md');
  return [...tree.files]
    .filter((file) => /^([a-z0-9]+\/)?package\.json$/.test(file))
    .flatMap((file) => {
      const manifest = JSON.parse(tree.read(file)) as Manifest;
      return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    })
    .filter((name, index, all) => !name.startsWith('@r-db/') && all.indexOf(name) === index)
    .filter((name) => !page.includes(`\`${name}\``))
    .map((name) => `docs/dependencies.md: ${name} has no line`);
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

function rootScripts(tree: Tree): ReadonlySet<string> {
  const manifest = JSON.parse(tree.read('package.json')) as Manifest;
  return new Set(Object.keys(manifest.scripts ?? {}));
}

/** Relative link targets of a page, without anchors; code blocks don't count. */
function links(text: string): string[] {
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
    .filter((link) => link !== '' && !/^[a-z]+:/.test(link));
}

function resolveLink(page: string, link: string): string {
  return normalize(join(dirname(page), link)).replace(/\/$/, '');
}

function exists(tree: Tree, path: string): boolean {
  return tree.files.has(path) || [...tree.files].some((file) => file.startsWith(`${path}/`));
}

function gitTree(): Tree {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    encoding: 'utf8',
  });
  return {
    files: new Set(listed.split('\n').filter((file) => file !== '' && existsSync(file))),
    read: (path) => readFileSync(path, 'utf8'),
  };
}

if (import.meta.main) {
  const faults = checkDocs(gitTree());
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
