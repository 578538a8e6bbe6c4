import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { helpText } from './help.ts';
import { editDistance, nearest } from './nearest.ts';
import { readFlags, readSettings } from './read.ts';
import { settingKeys, settings } from './schema.ts';
import { flagName } from './setting.ts';
import { minimalEnvironment as minimal } from './testing/minimal.ts';

function read(environment: Record<string, string>, argv: string[] = []) {
  return readSettings({ flags: readFlags(argv), environment: { ...minimal, ...environment } });
}

describe('settings', () => {
  it('fills in defaults', () => {
    const found = read({});
    expect(found.respPort).to.equal(6379);
    expect(found.whenFull).to.equal('Refuse');
    expect(found.valueBytesMax).to.equal(16 * 2 ** 20);
    expect(found.perShardMetrics).to.equal(true);
    expect(found.threads).to.equal(undefined);
  });

  it('takes flags over the environment, in both spellings', () => {
    expect(read({ RDB_RESP_PORT: '1' }, ['--resp-port', '2']).respPort).to.equal(2);
    expect(read({}, ['--resp-port=3', '--log-level=debug']).logLevel).to.equal('debug');
    expect(read({}, ['--leases=socket:/tmp/a=b']).leases).to.equal('socket:/tmp/a=b');
  });

  it('takes files over both, for reloadable settings only', () => {
    const files = new Map([
      ['RDB_LOG_LEVEL', 'warn'],
      ['RDB_RESP_PORT', '5'],
    ]);
    const flags = readFlags(['--log-level', 'debug']);
    const found = readSettings({ files, flags, environment: minimal });
    expect(found.logLevel).to.equal('warn');
    expect(found.respPort).to.equal(6379);
  });

  it('reads quantities', () => {
    expect(read({ RDB_VALUE_BYTES_MAX: '1Mi' }).valueBytesMax).to.equal(2 ** 20);
    expect(read({ RDB_MEMORY_LIMIT: '2G' }).memoryLimit).to.equal(2e9);
    expect(read({ RDB_MEMORY_LIMIT: '1073741824' }).memoryLimit).to.equal(2 ** 30);
  });

  const refused: readonly [environment: Record<string, string>, message: RegExp][] = [
    [{ RDB_TREADS: '1' }, /RDB_TREADS is not an environment variable.*did you mean RDB_THREADS\?/],
    [{ RDB_XYLOPHONE_VOLUME: '1' }, /RDB_XYLOPHONE_VOLUME is not.*see --help/],
    [{ RDB_THREADS: '0' }, /RDB_THREADS is "0", expected integer, 1 to 64/],
    [{ RDB_THREADS: '1.5' }, /RDB_THREADS/],
    [{ RDB_THREADS: ' 1' }, /RDB_THREADS/],
    [{ RDB_RESP_PORT: '65536' }, /RDB_RESP_PORT is "65536", expected integer, 1 to 65535/],
    [{ RDB_CLUSTER: '' }, /RDB_CLUSTER is not set/],
    [{ RDB_CLUSTER: 'Demo' }, /RDB_CLUSTER is "Demo", expected DNS name/],
    [{ RDB_NODE: 'demo' }, /RDB_NODE is "demo", expected name that ends in the ordinal/],
    [{ RDB_SHARDS: '1025' }, /RDB_SHARDS/],
    [{ RDB_HASH_SEED: '12' }, /RDB_HASH_SEED is "12", expected 16 hexadecimal digits/],
    [{ RDB_WHEN_FULL: 'refuse' }, /RDB_WHEN_FULL is "refuse", expected Refuse/],
    [{ RDB_TOTAL_LOSS: 'Keep' }, /expected Reset \| Hold/],
    [{ RDB_LEASES: 'redis' }, /RDB_LEASES is "redis", expected kubernetes \| socket:<path>/],
    [{ RDB_VALUE_BYTES_MAX: '1GB' }, /RDB_VALUE_BYTES_MAX.*1Ki to 64Mi/],
    [{ RDB_PER_SHARD_METRICS: 'yes' }, /expected true \| false/],
  ];
  for (const [environment, message] of refused) {
    it(`refuses ${JSON.stringify(environment)}`, () => {
      expect(() => read(environment)).to.throw(message);
    });
  }

  it('refuses flags that are unknown, double or without value', () => {
    expect(() => read({}, ['--resp-prot', '1'])).to.throw(/did you mean --resp-port\?/);
    expect(() => read({}, ['stray'])).to.throw(/stray is not a flag/);
    expect(() => read({}, ['--threads', '1', '--threads', '2'])).to.throw(
      /--threads is given twice/,
    );
    expect(() => read({}, ['--threads'])).to.throw(/--threads needs a value/);
    expect(() => read({}, ['--threads', 'x'])).to.throw(/--threads RDB_THREADS is "x"/);
  });

  it('never throws anything but a sentence that names the setting', () => {
    const names = settingKeys.map((key) => settings[key].name);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
        try {
          read({ [name]: value });
        } catch (error) {
          expect((error as Error).name).to.equal('ConfigurationError');
          expect((error as Error).message).to.contain(name);
        }
      }),
    );
  });
});

describe('--help', () => {
  it('tells name, flag, type, default and meaning of every setting', () => {
    const help = helpText();
    for (const key of settingKeys) {
      const setting = settings[key];
      for (const part of [setting.name, flagName(setting.name), setting.type, setting.meaning]) {
        expect(help).to.contain(part);
      }
      expect(help).to.contain(`default: ${setting.defaultText}`);
    }
  });
});

describe('nearest name', () => {
  it('counts letters to change', () => {
    expect(editDistance('', 'abc')).to.equal(3);
    expect(editDistance('kitten', 'sitting')).to.equal(3);
    expect(editDistance('same', 'same')).to.equal(0);
  });

  it('suggests nothing for another word', () => {
    expect(nearest('RDB_COLOUR_SCHEME', ['RDB_THREADS'])).to.equal(undefined);
  });
});
