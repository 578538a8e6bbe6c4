/**
 * Builds `generated/` from the .proto files: lints them, makes the TypeScript, and puts the descriptors
 * (for gRPC reflection) into a module, so that a bundle needs no files beside it.
 * Does nothing if the .proto files and the settings are those of the last build.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const directory = import.meta.dirname;
const target = join(directory, 'generated');
const stampFile = join(target, 'stamp');
const binaries = join(directory, '..', 'node_modules', '.bin');
const environment = { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH']}` };

const stamp = hashOfInputs();
if (readIfThere(stampFile) !== stamp) build();

function build(): void {
  buf('lint');
  // Made beside the target and put in its place whole: whoever imports it meanwhile sees the old or the new one.
  const fresh = join(directory, 'build', `generated-${process.pid}`);
  buf('generate', '--output', fresh);
  const nested = join(fresh, 'generated');
  const descriptors = buf('build', '--as-file-descriptor-set', '--output', '-');
  writeFileSync(join(nested, 'descriptors.ts'), descriptorsModule(descriptors));
  writeFileSync(join(nested, 'stamp'), stamp);
  rmSync(target, { recursive: true, force: true });
  renameSync(nested, target);
  rmSync(fresh, { recursive: true, force: true });
}

function descriptorsModule(descriptors: Buffer): string {
  return `/** An encoded google.protobuf.FileDescriptorSet of all .proto files, base64. */
export const fileDescriptorSet = '${descriptors.toString('base64')}';
`;
}

function hashOfInputs(): string {
  const hash = createHash('sha256');
  const files = globSync(['{rdb,google,grpc}/**/*.proto', 'buf*.yaml', 'build.ts'], {
    cwd: directory,
  });
  for (const file of files.sort()) {
    hash.update(`${file}\0`);
    hash.update(readFileSync(join(directory, file)));
  }
  for (const tool of ['@bufbuild/buf', 'ts-proto']) {
    hash.update(readFileSync(join(directory, '..', 'node_modules', tool, 'package.json')));
  }
  return hash.digest('hex');
}

function buf(...args: string[]): Buffer {
  const { status, stdout, stderr, error } = spawnSync('buf', args, {
    cwd: directory,
    env: environment,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  process.stderr.write(`buf ${args[0]} failed:\n${error?.message ?? ''}${stdout}${stderr}`);
  process.exit(1);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
