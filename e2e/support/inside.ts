/**
 * Runs a program of `e2e/inside/` in the cluster's network. On our own cluster the tests are in it
 * already; on somebody else's it is bundled and piped into a pod.
 */
import { join } from 'node:path';
import { build } from 'esbuild';
import { attempt, type Ran } from '../cluster/run.ts';
import { testEnvironment } from './environment.ts';
import { apply, makeNamespace, tryKubectl, wait } from './kubectl.ts';
import { scriptPod } from './pods.ts';

const namespace = 'e2e-inside';
const pod = 'tools';

/** Less than the time of a test, so that the program's own words are seen. */
const programMs = 40_000;

let ready: Promise<void> | undefined;

/** The program's answer: what it prints is one JSON value. Throws Error with what it wrote otherwise. */
export async function inside<Answer>(program: string, argument: unknown): Promise<Answer> {
  const { kind, layout } = testEnvironment();
  const file = join(layout.checkout, 'e2e', 'inside', `${program}.ts`);
  const text = JSON.stringify(argument);
  const ran =
    kind === 'own'
      ? await attempt([process.execPath, file, text], { signal: AbortSignal.timeout(programMs) })
      : await inPod(await bundled(file), text);
  if (ran.code !== 0) throw new Error(`${program} failed: ${ran.stderr || ran.stdout}`);
  return JSON.parse(ran.stdout) as Answer;
}

async function inPod(script: string, argument: string): Promise<Ran> {
  ready ??= makePod();
  await ready;
  const words = ['exec', '-i', '-n', namespace, pod, '--'];
  return await tryKubectl([...words, 'node', '--input-type=module', '-', argument], script);
}

async function makePod(): Promise<void> {
  await makeNamespace(namespace);
  const { image } = testEnvironment();
  const script = 'setInterval(() => {}, 1e9)';
  await apply(scriptPod({ name: pod, namespace, image, script }));
  await wait('condition=Ready', 60, '-n', namespace, `pod/${pod}`);
}

async function bundled(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: {
      js: `import { createRequire } from 'node:module'; const require = createRequire('/');
const __dirname = '/';`,
    },
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}
