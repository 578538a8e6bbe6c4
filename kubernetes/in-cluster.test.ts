import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Agent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Connection } from './connection.ts';
import { inClusterConnection } from './in-cluster.ts';
import { SERVICE_ACCOUNT_MS } from './limits.ts';

const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };

describe("a pod's connection", () => {
  let folder: string;
  let nowMs: number;
  let connection: Connection | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rdb-account-'));
    nowMs = 0;
    write({ token: 'first\n', 'ca.crt': 'a certificate', namespace: 'mine' });
  });
  afterEach(() => {
    connection?.close();
    connection = undefined;
    rmSync(folder, { recursive: true });
  });

  function write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  }

  function open(variables: Readonly<Record<string, string>> = environment): Connection {
    connection = inClusterConnection(variables, { folder, nowMs: () => nowMs });
    return connection;
  }

  it('is what the service account says', async () => {
    const { server, namespace, access } = open();
    expect(server.href).to.equal('https://10.96.0.1:6443/');
    expect(namespace).to.equal('mine');
    const { headers, agent } = await access();
    expect(headers).to.deep.equal({ Authorization: 'Bearer first' });
    expect(tlsOf(agent)).to.include({ ca: 'a certificate', keepAlive: true });
    expect((await access()).agent).to.equal(agent);
  });

  it('takes addresses of both families, and the usual port', () => {
    const { server } = open({ KUBERNETES_SERVICE_HOST: 'fd00::1' });
    expect(server.href).to.equal('https://[fd00::1]/');
  });

  it('takes a renewed token and certificate, in time', async () => {
    const { access } = open();
    const before = await access();
    write({ token: 'second', 'ca.crt': 'another certificate' });
    nowMs = SERVICE_ACCOUNT_MS - 1;
    expect(await access()).to.deep.equal(before);
    nowMs = SERVICE_ACCOUNT_MS;
    const after = await access();
    expect(after.headers).to.deep.equal({ Authorization: 'Bearer second' });
    expect(after.agent).to.not.equal(before.agent);
    expect(tlsOf(after.agent)).to.include({ ca: 'another certificate' });
  });

  it('goes on with what it has while the files are gone', async () => {
    const { access } = open();
    rmSync(join(folder, 'token'));
    nowMs = SERVICE_ACCOUNT_MS;
    expect((await access()).headers).to.deep.equal({ Authorization: 'Bearer first' });
  });

  it('says what is missing', () => {
    expect(() => open({})).to.throw('KUBERNETES_SERVICE_HOST is not set');
    write({ token: '\n' });
    expect(() => open()).to.throw(`${join(folder, 'token')} is empty`);
    rmSync(join(folder, 'token'));
    expect(() => open()).to.throw(`${join(folder, 'token')} can't be read (ENOENT)`);
  });
});

function tlsOf(agent: Agent): object {
  if (!(agent instanceof HttpsAgent)) throw new TypeError('no agent for TLS');
  return agent.options;
}
