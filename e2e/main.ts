/** `npm run e2e`: the tests on a real Kubernetes. See docs/testing-on-kubernetes.md. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { inNetwork } from './cluster/access.ts';
import { buildBinaries } from './cluster/build.ts';
import { down } from './cluster/down.ts';
import { ClusterError } from './cluster/errors.ts';
import { heal } from './cluster/faults.ts';
import { loadedImages } from './cluster/images.ts';
import { inState, layoutFrom } from './cluster/layout.ts';
import { requireGo, searchPath } from './cluster/requirements.ts';
import { show } from './cluster/run.ts';
import { up } from './cluster/up.ts';
import { figuresFile, figureTables, readFigures, withFigures } from './history/report.ts';
import { productName } from './image/product.ts';
import { environmentVariable, type TestEnvironment } from './support/environment.ts';
import type { Totals } from './support/reporter.ts';

/** Enough to see that it works; the figures in the docs are of 30. */
const killsDefault = 3;
/** The product's default. */
const promiseMsDefault = 1000;
const figuresPage = 'docs/guarantees.md';

const usage = `Usage: npm run e2e [-- OPTIONS]
  --grep TEXT        only tests whose full title holds it (a regular expression)
  --keep             leave the cluster up, and what the tests made in it if one fails
  --kubeconfig FILE  an existing cluster (its hosts must have the image); without the tests of faults
  --image NAME       with --kubeconfig: the image's name there
  --kills N          how often a leader is killed (${killsDefault}); more give better figures
  --promise MS       failover.promiseMilliseconds of the clusters that faults are tried on (${promiseMsDefault});
                     a machine that is busy with other things needs more
  --figures          write what was measured into ${figuresPage}
`;

/** For a test that says nothing else; most take a second. */
const testMs = 60_000;

const checkout = resolve(import.meta.dirname, '..');
const layout = layoutFrom(process.env, checkout);
process.env['PATH'] = searchPath(process.env);

try {
  process.exitCode = await main();
} catch (error) {
  const { code } = error as { code?: string };
  const expected = error instanceof ClusterError || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(`${expected ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      grep: { type: 'string' },
      keep: { type: 'boolean', default: false },
      kubeconfig: { type: 'string' },
      image: { type: 'string' },
      kills: { type: 'string', default: `${killsDefault}` },
      promise: { type: 'string', default: `${promiseMsDefault}` },
      figures: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const kills = Number(values.kills);
  const promiseMs = Number(values.promise);
  for (const [name, value] of Object.entries({ kills, promise: promiseMs })) {
    if (!Number.isInteger(value) || value < 1) throw new ClusterError(`--${name}: a whole number`);
  }
  const reports = join(checkout, 'build', 'e2e', new Date().toISOString().replace(/[:.]/g, '-'));
  mkdirSync(reports, { recursive: true });
  const grep = values.grep === undefined ? [] : ['--grep', values.grep];
  if (values.kubeconfig !== undefined) {
    const kubeconfig = resolve(process.env['INIT_CWD'] ?? '.', values.kubeconfig);
    const image = values.image ?? productName(checkout);
    return await onExisting(kubeconfig, image, { reports, kills, promiseMs }, grep);
  }
  const image = productName(checkout);
  const writeFigures = values.figures;
  const { binaries, started } = await up(layout, process.env);
  await heal(); // what an earlier run that was killed left
  try {
    return await runTests(
      {
        ...{ kind: 'own', layout, reports, kills, promiseMs, writeFigures },
        ...{ image, imageId: loadedImages(layout)[image] ?? '' },
        ...{ kubeconfig: inState.kubeconfig(layout, 'admin') },
        ...{ kube: binaries.kube, helm: binaries.helm, judge: binaries.judge },
      },
      grep,
    );
  } finally {
    if (started && !values.keep) await down(layout);
  }
}

async function onExisting(
  kubeconfig: string,
  image: string,
  options: Pick<TestEnvironment, 'reports' | 'kills' | 'promiseMs'>,
  grep: readonly string[],
): Promise<number> {
  if (!existsSync(kubeconfig)) throw new ClusterError(`--kubeconfig: there is no ${kubeconfig}`);
  requireGo(process.env);
  const { kube, helm, judge } = await buildBinaries(layout, process.env);
  const tools = { kubeconfig, kube, helm, judge };
  return await runTests(
    { kind: 'existing', layout, ...options, image, imageId: image, ...tools },
    grep,
  );
}

async function runTests(
  { writeFigures = false, ...tests }: TestEnvironment & { readonly writeFigures?: boolean },
  grep: readonly string[],
): Promise<number> {
  const folder = join(checkout, 'e2e', 'tests');
  const files = readdirSync(folder).filter((name) => {
    // `*.own.e2e.ts` stop, cut and kill: not on somebody else's cluster.
    return name.endsWith('.e2e.ts') && (tests.kind === 'own' || !name.endsWith('.own.e2e.ts'));
  });
  const mocha = [
    ...[process.execPath, join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js')],
    ...['--no-config', '--no-package', '--forbid-only', '--forbid-pending', '--exit'],
    ...['--timeout', `${testMs}`],
    ...['--reporter', join(checkout, 'e2e', 'support', 'reporter.ts')],
    ...grep,
    ...files.sort().map((name) => join(folder, name)),
  ];
  const command = tests.kind === 'own' ? inNetwork(layout, mocha) : mocha;
  const environment = {
    ...process.env,
    KUBECONFIG: tests.kubeconfig,
    [environmentVariable]: JSON.stringify(tests),
  };
  const code = await show(command, { directory: checkout, environment });
  showFigures(join(tests.reports, figuresFile), { write: writeFigures });
  const totals = readTotals(join(tests.reports, 'totals.json'));
  if (totals.failed > 0) process.stdout.write(`reports: ${tests.reports}\n`);
  else rmSync(tests.reports, { recursive: true });
  process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
  return code === 0 && totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

/** What the tests of faults measured: on the terminal, and in the docs if so wished. */
function showFigures(file: string, { write }: { readonly write: boolean }): void {
  const figures = readFigures(file);
  if (figures === undefined) return;
  const text = figureTables(figures);
  process.stdout.write(`\n${text}\n`);
  if (!write) return;
  const page = join(checkout, figuresPage);
  const machine = `${cpus().length} processors (${cpus()[0]?.model ?? 'unknown'})`;
  const when = new Date().toISOString().slice(0, 10);
  const made = `Made ${when} on ${machine}, which pods, Kubernetes and clients share.`;
  writeFileSync(page, withFigures(readFileSync(page, 'utf8'), `${made}\n\n${text}`));
  process.stdout.write(`written into ${figuresPage}\n`);
}

function readTotals(file: string): Totals {
  if (!existsSync(file)) throw new ClusterError('the tests ended before they reported (see above)');
  return JSON.parse(readFileSync(file, 'utf8')) as Totals;
}
