/** Keys, tokens and kubeconfigs of one cluster: made at each start, gone with it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiServerPort, controlPlane, hosts, inState, type Layout } from './layout.ts';
import { run } from './run.ts';

interface User {
  readonly file: string;
  readonly name: string;
  readonly group?: string;
}

const users: readonly User[] = [
  { file: 'admin', name: 'admin', group: 'system:masters' },
  { file: 'controller-manager', name: 'system:kube-controller-manager' },
  { file: 'scheduler', name: 'system:kube-scheduler' },
  { file: 'proxy', name: 'system:kube-proxy' },
  { file: 'coredns', name: 'system:serviceaccount:kube-system:coredns', group: 'system:masters' },
  ...hosts.map(({ name }) => ({ file: name, name: `system:node:${name}`, group: 'system:nodes' })),
];

export async function makeKeys(layout: Layout): Promise<void> {
  const folder = inState.keys(layout);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const serviceAccounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  writeFileSync(join(folder, 'sa.key'), serviceAccounts.privateKey, { mode: 0o600 });
  writeFileSync(join(folder, 'sa.pub'), serviceAccounts.publicKey);
  await run([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
    ...['-nodes', '-days', '365', '-subj', '/O=system:masters/CN=kube-apiserver'],
    ...['-addext', 'extendedKeyUsage=clientAuth'],
    ...['-keyout', join(folder, 'kubelet-client.key'), '-out', join(folder, 'kubelet-client.crt')],
  ]);
  const tokens = users.map((user) => {
    const token = randomBytes(16).toString('hex');
    writeFileSync(inState.kubeconfig(layout, user.file), kubeconfig(layout, token), {
      mode: 0o600,
    });
    return `${token},${user.name},${user.file},${user.group ?? ''}\n`;
  });
  writeFileSync(join(folder, 'tokens.csv'), tokens.join(''), { mode: 0o600 });
}

/** The API server makes its own serving certificate, `apiserver.crt`, when it starts. */
function kubeconfig(layout: Layout, token: string): string {
  const server = `https://${controlPlane.address}:${apiServerPort}`;
  const authority = join(inState.keys(layout), 'apiserver.crt');
  return `apiVersion: v1
kind: Config
clusters: [{name: rdb, cluster: {server: "${server}", certificate-authority: ${authority}}}]
users: [{name: user, user: {token: ${token}}}]
contexts: [{name: rdb, context: {cluster: rdb, user: user, namespace: default}}]
current-context: rdb
`;
}
