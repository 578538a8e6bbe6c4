/** `npm run cluster -- COMMAND`: a real Kubernetes on this machine, for tests and for trying things. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { productImage } from '../image/product.ts';
import { inNetwork, requireUp } from './access.ts';
import { type Binaries, buildBinaries } from './build.ts';
import { kubectl } from './control-plane.ts';
import { down } from './down.ts';
import { ClusterError } from './errors.ts';
import { cut, cutsInForce, heal } from './faults.ts';
import { loadedImages, loadImages } from './images.ts';
import { inState, layoutFrom } from './layout.ts';
import { serverNames, serverProcess } from './processes.ts';
import { searchPath } from './requirements.ts';
import { show } from './run.ts';
import { isUp, up } from './up.ts';

const usage = `Usage: npm run cluster -- COMMAND
  up                        three nodes in three zones with the product's image; again: only what changed
  load                      builds the image and loads it into the running cluster
  down                      ends and removes everything
  status                    what runs
  kubectl ARGS, helm ARGS   with the cluster's kubeconfig, in its network
  shell COMMAND             any command with KUBECONFIG set, in its network, its names resolved
  cut FROM TO [--one-way]   drops packets between two of n1, n2, n3, a pod's address, api, all
  heal                      ends all cuts
`;

const checkout = resolve(import.meta.dirname, '..', '..');
const layout = layoutFrom(process.env, checkout);
process.env['PATH'] = searchPath(process.env);
// A reader that has seen enough (`| head`) ends no command half-way.
process.stdout.on('error', () => {});

try {
  process.exitCode = await command(process.argv.slice(2));
} catch (error) {
  const known = error instanceof ClusterError;
  process.stderr.write(`${known ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}

async function command([name, ...args]: readonly string[]): Promise<number> {
  switch (name) {
    case 'up':
      return await bringUp();
    case 'load':
      return await load();
    case 'down':
      say((await down(layout)) ? 'down' : 'nothing to take down');
      return 0;
    case 'status':
      return await status();
    case 'kubectl':
      return await show(
        [...kubectl(layout, (await running()).kube), ...args],
        clusterEnvironment(),
      );
    case 'helm':
      return await show(inNetwork(layout, [(await running()).helm, ...args]), clusterEnvironment());
    case 'shell':
      await running();
      return await show(inNetwork(layout, args.length > 0 ? args : ['sh']), clusterEnvironment());
    case 'cut':
      return await cutBetween(args);
    case 'heal':
      await running();
      await heal();
      return 0;
    case 'help':
    case '--help':
      process.stdout.write(usage);
      return 0;
    default:
      process.stderr.write(usage);
      return 2;
  }
}

async function bringUp(): Promise<number> {
  const begin = performance.now();
  const { started, loaded } = await up(layout, process.env);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  say(started ? `up after ${seconds} s` : 'already up');
  for (const image of loaded) say(`loaded ${image}`);
  say(`kubeconfig (for the network of "npm run cluster -- shell"): ${kubeconfig()}`);
  return 0;
}

async function load(): Promise<number> {
  await running();
  const image = await productImage(layout);
  const loaded = await loadImages(layout, [image]);
  say(loaded.length > 0 ? `loaded ${image.name}` : `${image.name} is loaded already`);
  return 0;
}

async function status(): Promise<number> {
  const binaries = await running();
  for (const name of serverNames(layout)) {
    const known = serverProcess(layout, name);
    say(`${name.padEnd(20)} ${known === undefined ? 'ended' : `pid ${known.pid}`}`);
  }
  for (const { from, to } of await cutsInForce()) say(`cut ${from} -> ${to}`);
  for (const [image, id] of Object.entries(loadedImages(layout))) say(`image ${image} ${id}`);
  await show([
    ...kubectl(layout, binaries.kube),
    'get',
    'nodes',
    '-L',
    'topology.kubernetes.io/zone',
  ]);
  return isUp(layout) ? 0 : 1;
}

async function cutBetween(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { 'one-way': { type: 'boolean' } },
    allowPositionals: true,
  });
  const [from, to, ...rest] = positionals;
  if (from === undefined || to === undefined || rest.length > 0) {
    throw new ClusterError("cut FROM TO [--one-way]: two of n1, n2, n3, a pod's address, api, all");
  }
  await running();
  await cut(from, to, { oneWay: values['one-way'] === true });
  for (const each of await cutsInForce()) say(`cut ${each.from} -> ${each.to}`);
  return 0;
}

async function running(): Promise<Binaries> {
  requireUp(layout);
  return await buildBinaries(layout, process.env);
}

function clusterEnvironment() {
  const directory = process.env['INIT_CWD'] ?? process.cwd();
  return { directory, environment: { ...process.env, KUBECONFIG: kubeconfig() } };
}

function kubeconfig(): string {
  return inState.kubeconfig(layout, 'admin');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
