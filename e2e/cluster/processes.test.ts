import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { inState, type Layout } from './layout.ts';
import {
  endServers,
  isAlive,
  processesWith,
  serverNames,
  serverProcess,
  signalServer,
  startTimeOf,
} from './processes.ts';

describe('servers that outlive the command', () => {
  let layout: Layout;
  before(() => {
    const state = mkdtempSync(join(tmpdir(), 'rdb-processes-'));
    layout = { checkout: '/', cache: '/', state };
    mkdirSync(join(state, 'pids'));
  });
  after(() => rmSync(layout.state, { recursive: true, force: true }));

  const remember = (name: string, pid: number, startTime: string) =>
    writeFileSync(inState.process(layout, name), JSON.stringify({ pid, startTime }));

  it('are known by their start time too', () => {
    const startTime = startTimeOf(process.pid) ?? '';
    expect(startTime).to.match(/^\d+$/);
    remember('we', process.pid, startTime);
    remember('stranger', process.pid, `${Number(startTime) - 1}`);
    expect(serverProcess(layout, 'we')).to.deep.equal({ pid: process.pid, startTime });
    expect(serverProcess(layout, 'stranger')).to.equal(undefined);
    expect(serverProcess(layout, 'nobody')).to.equal(undefined);
    expect(isAlive({ pid: process.pid, startTime: '' })).to.equal(false);
  });

  it('are never signalled under the ID of somebody else', async () => {
    // Were it signalled, this process would end.
    remember('stranger', process.pid, '1');
    expect(signalServer(layout, 'stranger', 'SIGKILL')).to.equal(false);
    await endServers(layout, ['stranger']);
    expect(serverNames(layout)).not.to.include('stranger');
  });

  it('are found by their command line', () => {
    const here = processesWith(import.meta.filename);
    expect(here.map(({ pid }) => pid)).not.to.include(process.pid);
    expect(processesWith(`no such command line ${Math.random()}`)).to.deep.equal([]);
  });
});
