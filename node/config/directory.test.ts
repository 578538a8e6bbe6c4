import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { readDirectory, reload, watchDirectory } from './directory.ts';
import { readSettings } from './read.ts';
import { minimalEnvironment as minimal } from './testing/minimal.ts';

const sources = { flags: new Map<string, string>(), environment: minimal };
const current = readSettings(sources);

/** Lays files down as the kubelet does: all at once, by moving a link. */
function mount(directory: string, generation: number, files: Record<string, string>): void {
  const data = join(directory, `..${generation}`);
  mkdirSync(data);
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(data, name), text);
  }
  symlinkSync(`..${generation}`, join(directory, '..new'));
  renameSync(join(directory, '..new'), join(directory, '..data'));
  for (const name of Object.keys(files)) {
    rmSync(join(directory, name), { force: true });
    symlinkSync(join('..data', name), join(directory, name));
  }
}

describe('configuration directory', () => {
  it('changes reloadable settings and tells which', () => {
    const files = new Map([['RDB_CONNECTIONS_MAX', '50']]);
    const { settings, changed, rejected } = reload(current, sources, files);
    expect(settings.connectionsMax).to.equal(50);
    expect(changed).to.deep.equal(['connectionsMax']);
    expect(rejected).to.deep.equal([]);
    // The file is gone: what the process was started with holds again.
    expect(reload(settings, sources, new Map()).changed).to.deep.equal(['connectionsMax']);
  });

  it('rejects what is unknown, invalid or fixed, and takes the rest', () => {
    const files = new Map([
      ['RDB_LOG_LEVEL', 'debug'],
      ['RDB_LOG_LEVLE', 'debug'],
      ['RDB_SHARDS', '128'],
      ['RDB_CONNECTIONS_MAX', 'many'],
    ]);
    const { settings, changed, rejected } = reload(current, sources, files);
    expect(changed).to.deep.equal(['logLevel']);
    expect(settings.shards).to.equal(64);
    expect(rejected).to.have.length(3);
    expect(rejected[0]).to.match(/RDB_LOG_LEVLE is not a setting: did you mean RDB_LOG_LEVEL\?/);
    expect(rejected[1]).to.match(/RDB_SHARDS can't change while the node runs/);
    expect(rejected[2]).to.match(/RDB_CONNECTIONS_MAX is "many", expected integer/);
  });

  it('keeps the valid value when a file becomes invalid', () => {
    const changed = reload(current, sources, new Map([['RDB_LOG_LEVEL', 'debug']])).settings;
    const after = reload(changed, sources, new Map([['RDB_LOG_LEVEL', 'loud']]));
    expect(after.settings.logLevel).to.equal('debug');
    expect(after.rejected).to.have.length(1);
  });

  it('says nothing about a fixed setting that has the value it has', () => {
    const { rejected } = reload(current, sources, new Map([['RDB_SHARDS', '64']]));
    expect(rejected).to.deep.equal([]);
  });

  it('sees a mounted ConfigMap change', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'rdb-config-'));
    mount(directory, 1, { RDB_LOG_LEVEL: 'info\n' });
    expect([...readDirectory(directory)]).to.deep.equal([['RDB_LOG_LEVEL', 'info']]);
    let watcher: { close(): void } | undefined;
    try {
      const seen = new Promise<void>((resolve) => {
        watcher = watchDirectory(directory, resolve);
      });
      // Timers of the watcher don't hold the process: this one does.
      const hold = setInterval(() => undefined, 1000);
      mount(directory, 2, { RDB_LOG_LEVEL: 'debug\n' });
      await seen;
      clearInterval(hold);
      expect(readDirectory(directory).get('RDB_LOG_LEVEL')).to.equal('debug');
    } finally {
      watcher?.close();
      rmSync(directory, { recursive: true });
    }
  });

  it('is empty while it does not exist', () => {
    expect(readDirectory('/nonexistent/rdb').size).to.equal(0);
  });
});
