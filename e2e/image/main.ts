/** `npm run image`: makes the image's archive and tells where it is. */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ClusterError } from '../cluster/errors.ts';
import { layoutFrom } from '../cluster/layout.ts';
import { bundle } from './bundle.ts';
import { exportProductImage, type ProductImage, productImage } from './product.ts';

const usage = `Usage: npm run image [-- OPTIONS]
Makes the image of operator and node as an archive for "docker load", "ctr images import" and the like,
for this machine's architecture, and prints where it is.
  --output FILE      there, instead of in the cache
  --bundles FOLDER   no archive: only what the Dockerfile copies (build/image)
`;

try {
  const { values } = parseArgs({
    options: {
      output: { type: 'string' },
      bundles: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
  } else {
    const checkout = resolve(import.meta.dirname, '..', '..');
    const layout = layoutFrom(process.env, checkout);
    const directory = process.env['INIT_CWD'] ?? process.cwd(); // where npm was called
    if (values.bundles !== undefined)
      await writeBundles(checkout, resolve(directory, values.bundles));
    else if (values.output !== undefined) {
      tell(await exportProductImage(layout, resolve(directory, values.output)));
    } else tell(await productImage(layout));
  }
} catch (error) {
  const expected =
    error instanceof ClusterError ||
    (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(
    expected === true ? `${(error as Error).message}\n` : `${(error as Error).stack}\n`,
  );
  process.exitCode = 1;
}

async function writeBundles(checkout: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { files } = await bundle(checkout, folder);
  process.stdout.write(`${folder}: ${files.join(' ')}\n`);
}

function tell(image: ProductImage): void {
  const megabytes = Math.round(statSync(image.archive).size / 1e6);
  const state = image.built ? 'built' : 'unchanged';
  process.stdout.write(`${image.name} (${state}, ${megabytes} MB): ${image.archive}\n`);
}
