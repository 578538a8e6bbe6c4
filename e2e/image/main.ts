/** `npm run image [-- --output FILE]`: makes the image's archive and tells where it is. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ClusterError } from '../cluster/errors.ts';
import { layoutFrom } from '../cluster/layout.ts';
import { exportProductImage, productImage } from './product.ts';

const usage = `Usage: npm run image [-- --output FILE]
Makes the image of operator and node as an archive for "docker load", "ctr images import" and the like.
Without --output it stays in the cache; either way its path is printed.
`;

try {
  const { values } = parseArgs({
    options: { output: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help === true) {
    process.stdout.write(usage);
  } else {
    const checkout = resolve(import.meta.dirname, '..', '..');
    const layout = layoutFrom(process.env, checkout);
    const directory = process.env['INIT_CWD'] ?? process.cwd(); // where npm was called
    const image =
      values.output === undefined
        ? await productImage(layout)
        : await exportProductImage(layout, resolve(directory, values.output));
    const megabytes = Math.round(statSync(image.archive).size / 1e6);
    const state = image.built ? 'built' : 'unchanged';
    process.stdout.write(`${image.name} (${state}, ${megabytes} MB): ${image.archive}\n`);
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
