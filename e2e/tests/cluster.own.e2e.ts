/** The test cluster itself: what the other tests build on. */
import { connect } from 'node:net';
import { expect } from 'chai';
import { after, afterEach, before, describe, it } from 'mocha';
import { cut, cutsInForce, heal } from '../cluster/faults.ts';
import { hosts, inside } from '../cluster/layout.ts';
import { attempt } from '../cluster/run.ts';
import { testEnvironment } from '../support/environment.ts';
import {
  apply,
  deleteNamespace,
  getItems,
  kubectl,
  makeNamespace,
  tryKubectl,
  wait,
} from '../support/kubectl.ts';
import { getPod, scriptPod } from '../support/pods.ts';

const namespace = 'e2e-cluster';
const port = 8080;
const greet = `require('node:http').createServer((_, answer) => answer.end(process.env.HOSTNAME)).listen(${port})`;

describe('the test cluster', () => {
  const addresses = new Map<string, string>();

  before(async () => {
    await makeNamespace(namespace);
    const { image } = testEnvironment();
    await apply(
      ...hosts.map((host) =>
        scriptPod({ name: `on-${host.name}`, namespace, image, script: greet, node: host.name }),
      ),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'greet', namespace },
        spec: { selector: { app: 'on-n2' }, ports: [{ port }] },
      },
    );
    await wait('condition=Ready', 30, '-n', namespace, 'pods', '--all');
    for (const { name } of hosts) {
      addresses.set(name, (await getPod(namespace, `on-${name}`)).status.podIP);
    }
  });
  afterEach(() => heal());
  after(() => deleteNamespace(namespace));

  /** Whether a connection from a host to another's pod comes about within a second. */
  async function reaches(from: string, to: string): Promise<boolean> {
    const host = hosts.find(({ name }) => name === from);
    const script = `
      const socket = require('node:net').connect(${port}, '${addresses.get(to)}');
      socket.on('connect', () => process.exit(0)).on('error', () => process.exit(1));
      setTimeout(() => process.exit(1), 1000);`;
    const words = [...inside(host?.namespace ?? ''), process.execPath, '-e', script];
    return (await attempt(words)).code === 0;
  }

  it('has three nodes Ready in three zones, Kubernetes 1.33 or later', async () => {
    const nodes = await getItems<{
      metadata: { name: string; labels: Record<string, string> };
      status: {
        conditions: { type: string; status: string }[];
        nodeInfo: { kubeletVersion: string };
      };
    }>('nodes');
    const zones = nodes.map(({ metadata }) => metadata.labels['topology.kubernetes.io/zone']);
    expect(new Set(zones).size).to.equal(3);
    for (const { status } of nodes) {
      expect(status.conditions.find(({ type }) => type === 'Ready')?.status).to.equal('True');
      const [, minor] = /^v1\.(\d+)\./.exec(status.nodeInfo.kubeletVersion) ?? [];
      expect(Number(minor)).to.be.at.least(33);
    }
  });

  it('resolves Services and reaches them from pods', async () => {
    const script = `fetch('http://greet.${namespace}.svc.cluster.local:${port}').then((a) => a.text()).then(console.log)`;
    const said = await kubectl('exec', '-n', namespace, 'on-n1', '--', 'node', '--eval', script);
    expect(said.trim()).to.equal('on-n2');
  });

  it('reaches a Service whose pod is on the same host, and the pod itself through it', async () => {
    const { image } = testEnvironment();
    const pod = { name: 'neighbour', namespace, image, script: greet, node: 'n2' };
    await apply(scriptPod(pod));
    await wait('condition=Ready', 30, '-n', namespace, 'pod/neighbour');
    const script = `fetch('http://greet:${port}').then((a) => a.text()).then(console.log)`;
    for (const from of ['neighbour', 'on-n2']) {
      const said = await kubectl('exec', '-n', namespace, from, '--', 'node', '--eval', script);
      expect(said.trim()).to.equal('on-n2');
    }
  });

  it('lets the tests reach pods, and resolves for them', async () => {
    const answer = await fetch(`http://${addresses.get('n3')}:${port}`);
    expect(await answer.text()).to.equal('on-n3');
    const { lookup } = await import('node:dns/promises');
    const { address } = await lookup('kubernetes.default.svc.cluster.local');
    expect(address).to.equal('10.96.0.1');
  });

  it('lets nothing out', async () => {
    const reached = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '192.0.2.1', port: 80, timeout: 1000 });
      socket.on('connect', () => resolve(true));
      for (const event of ['timeout', 'error']) socket.on(event, () => resolve(false));
      socket.on('close', () => socket.destroy());
    });
    expect(reached).to.equal(false);
  });

  it('refuses a pod that is not restricted', async () => {
    const pod = { name: 'root', namespace, image: testEnvironment().image, script: '' };
    const object = scriptPod(pod) as { spec: { securityContext: unknown } };
    object.spec.securityContext = {};
    const { code, stderr } = await tryKubectl(['apply', '-f', '-'], JSON.stringify(object));
    expect(code).to.equal(1);
    expect(stderr).to.match(/violates PodSecurity "restricted:latest"/);
  });

  it('cuts one way', async () => {
    expect(await reaches('n1', 'n2')).to.equal(true);
    await cut('n1', 'n2', { oneWay: true });
    expect(await cutsInForce()).to.deep.equal([{ from: 'n1', to: 'n2' }]);
    expect(await reaches('n1', 'n2')).to.equal(false);
    // The way back is cut too for a connection, since answers take the cut way; for packets it is not.
    expect(await packetsPass('n2', 'n1')).to.equal(true);
    expect(await packetsPass('n1', 'n2')).to.equal(false);
    expect(await reaches('n1', 'n3')).to.equal(true);
    await heal();
    expect(await cutsInForce()).to.deep.equal([]);
    expect(await reaches('n1', 'n2')).to.equal(true);
  });

  it('cuts both ways, and only there', async () => {
    await cut('n2', 'n3');
    await cut('n2', 'n3'); // again changes nothing
    expect(await packetsPass('n2', 'n3')).to.equal(false);
    expect(await packetsPass('n3', 'n2')).to.equal(false);
    expect(await reaches('n1', 'n2')).to.equal(true);
    expect(await reaches('n1', 'n3')).to.equal(true);
    await heal();
    expect(await reaches('n2', 'n3')).to.equal(true);
  });

  it('cuts a node off the API server, not off its clients', async () => {
    await cut('n1', 'api');
    const script = `fetch('https://10.96.0.1', { signal: AbortSignal.timeout(1000) }).catch(() => process.exit(7))`;
    const host = hosts[0]?.namespace ?? '';
    expect((await attempt([...inside(host), process.execPath, '-e', script])).code).to.equal(7);
    const answer = await fetch(`http://${addresses.get('n1')}:${port}`);
    expect(await answer.text()).to.equal('on-n1');
    await heal();
    await wait('condition=Ready', 30, 'node/n1');
  });

  it('cuts a node off everything', async () => {
    await cut('n3', 'all');
    expect(await packetsPass('n3', 'n1')).to.equal(false);
    expect(await packetsPass('n1', 'n3')).to.equal(false);
    expect(await reaches('n1', 'n2')).to.equal(true);
    await heal();
    await wait('condition=Ready', 30, 'node/n3');
  });

  it('cuts a pod off everything, and no other', async () => {
    const address = addresses.get('n1') ?? '';
    await cut(address, 'all');
    expect(await reaches('n2', 'n1')).to.equal(false);
    expect(await reaches('n1', 'n2')).to.equal(true);
    await heal();
    expect(await reaches('n2', 'n1')).to.equal(true);
  });

  /** Whether a datagram from a host arrives at another: a connection would need the way back. */
  async function packetsPass(from: string, to: string): Promise<boolean> {
    const source = hosts.find(({ name }) => name === from);
    const target = hosts.find(({ name }) => name === to);
    const received = attempt([
      ...[...inside(target?.namespace ?? ''), process.execPath, '-e'],
      `const socket = require('node:dgram').createSocket('udp4').bind(9999);
       socket.on('message', () => process.exit(0));
       setTimeout(() => process.exit(1), 1500);`,
    ]);
    const send = `const socket = require('node:dgram').createSocket('udp4');
      const again = setInterval(() => socket.send('x', 9999, '${target?.address}'), 50);
      setTimeout(() => { clearInterval(again); socket.close(); }, 1400);`;
    await attempt([...inside(source?.namespace ?? ''), process.execPath, '-e', send]);
    return (await received).code === 0;
  }
});
