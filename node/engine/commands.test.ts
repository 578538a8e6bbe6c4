import { expect } from 'chai';
import { describe, it } from 'mocha';
import { commands } from './commands.ts';
import { engineLimits } from './limits.ts';
import { makeHarness, run, runBytes } from './testing/harness.ts';

const wrongArity = (name: string): string =>
  `-ERR wrong number of arguments for '${name}' command\r\n`;
const syntax = '-ERR syntax error\r\n';
const notAnInteger = '-ERR value is not an integer or out of range\r\n';
const invalidExpiry = (name: string): string => `-ERR invalid expire time in '${name}' command\r\n`;

/** Errors word for word as Redis 7 gives them (compared with redis-server when they were written). */
const errors: [command: string, reply: string][] = [
  ['GET', wrongArity('get')],
  ['get a b', wrongArity('get')],
  ['SET a', wrongArity('set')],
  ['MSET a b c', wrongArity('mset')],
  ['PING a b', wrongArity('ping')],
  ['MGET a b', "-CROSSSLOT Keys in request don't hash to the same slot\r\n"],
  ['SET a b NX XX', syntax],
  ['SET a b EX', syntax],
  ['SET a b EX 1 PX 1', syntax],
  ['SET a b KEEPTTL EX 1', syntax],
  ['SET a b EX x', notAnInteger],
  ['SET a b EX 0', invalidExpiry('set')],
  ['SET a b EX 9223372036854775807', invalidExpiry('set')],
  ['SET a b PX 9223372036854775807', invalidExpiry('set')],
  ['EXPIRE a 9223372036854775807', invalidExpiry('expire')],
  ['PEXPIRE a 9223372036854775807', invalidExpiry('pexpire')],
  ['EXPIRE a x', notAnInteger],
  ['EXPIRE a 1 FOO', '-ERR Unsupported option FOO\r\n'],
  ['EXPIRE a 1 NX GT', '-ERR NX and XX, GT or LT options at the same time are not compatible\r\n'],
  ['EXPIRE a 1 GT LT', '-ERR GT and LT options at the same time are not compatible\r\n'],
  ['INCRBY a 1.5', notAnInteger],
  ['DECRBY a -9223372036854775808', '-ERR decrement would overflow\r\n'],
];

describe('commands in the engine', () => {
  for (const [command, reply] of errors) {
    it(`${command}: ${reply.trim()}`, () => {
      expect(run(makeHarness(), command.split(' '))).to.equal(reply);
    });
  }

  it('of the table are found by any case, others go to JavaScript', () => {
    const harness = makeHarness();
    for (const { name, runs, arity } of commands) {
      const words = [name.toLowerCase(), ...Array.from({ length: Math.abs(arity) - 1 }, () => '1')];
      const reply = run(harness, words);
      if (runs === 'server') expect(reply).to.equal(`<CALL ${name.toLowerCase()}>`);
      else expect(reply).to.match(/^[+:$*-]/);
    }
    expect(run(harness, ['NOSUCH', 'x'])).to.equal('<CALL NOSUCH>');
    expect(run(harness, ['GET\0', 'x'])).to.equal('<CALL GET\0>');
  });

  it('are counted, with their errors', () => {
    const harness = makeHarness();
    run(harness, ['INCR', 'a']);
    run(harness, ['INCR', 'a', 'b']);
    const row = commands.findIndex(({ name }) => name === 'INCR');
    expect(harness.engine.commandStatistics()[row]).to.deep.equal({ calls: 2, errors: 1 });
  });

  it('answer nulls of RESP3 when the connection speaks it', () => {
    const harness = makeHarness();
    harness.engine.setProtocol(harness.connection, 3);
    expect(run(harness, ['GET', 'absent'])).to.equal('_\r\n');
    expect(run(harness, ['MGET', '{t}a', '{t}b'])).to.equal('*2\r\n_\r\n_\r\n');
  });

  it('refuse keys that are too long, take those at the limit', () => {
    const harness = makeHarness();
    const longest = 'k'.repeat(65_536);
    expect(run(harness, ['SET', longest, 'v'])).to.equal('+OK\r\n');
    expect(run(harness, ['GET', longest])).to.equal('$1\r\nv\r\n');
    expect(run(harness, ['SET', `${longest}k`, 'v'])).to.match(/^-ERR key exceeds/);
  });

  it('compare values with IFEQ', () => {
    const harness = makeHarness();
    run(harness, ['SET', 'a', '1']);
    expect(run(harness, ['SET', 'a', '2', 'IFEQ', '3'])).to.equal('$-1\r\n');
    expect(run(harness, ['SET', 'a', '2', 'IFEQ', '1', 'GET'])).to.equal('$1\r\n1\r\n');
    expect(run(harness, ['SET', 'none', '2', 'IFEQ', ''])).to.equal('$-1\r\n');
  });

  it('echo what is longer than a window', () => {
    const harness = makeHarness();
    const text = 'e'.repeat(engineLimits.outputWindowBytes * 2);
    expect(run(harness, ['ECHO', text])).to.equal(`$${text.length}\r\n${text}\r\n`);
    expect(runBytes(harness, Buffer.from('PING\r\n')).text).to.equal('+PONG\r\n');
  });
});

describe('typed operations', () => {
  const bytes = (text: string): Buffer => Buffer.from(text);

  it('check versions, conditions and limits, in order', () => {
    const { engine } = makeHarness();
    const key = bytes('k');
    const one = engine.batch([{ kind: 'set', key, value: bytes('1') }], 1000, 1)[0];
    expect(one?.status).to.equal('ok');
    const version = one?.version ?? 0n;
    const results = engine.batch(
      [
        { kind: 'set', key, value: bytes('x'), ifVersion: version + 1n },
        { kind: 'set', key, value: bytes('x'), condition: 'if-absent' },
        { kind: 'increment', key, by: 41n },
        { kind: 'touch', key, expireAtMs: 5000 },
        { kind: 'get', key },
        { kind: 'append', key, value: bytes('!') },
        { kind: 'increment', key, by: 1n },
        { kind: 'delete', key, ifVersion: version },
        { kind: 'delete', key },
        { kind: 'get', key },
        { kind: 'set', key, value: new Uint8Array((16 << 20) + 1) },
      ],
      1000,
      1,
    );
    expect(results.map(({ status }) => status)).to.deep.equal([
      'version-mismatch',
      'condition-failed',
      'ok',
      'ok',
      'ok',
      'ok',
      'not-an-integer',
      'version-mismatch',
      'ok',
      'not-found',
      'too-large',
    ]);
    expect(results[2]?.number).to.equal(42n);
    expect(results[4]?.expireAtMs).to.equal(5000);
    expect(Buffer.from(results[4]?.value ?? []).toString()).to.equal('42');
    expect(results[5]?.number).to.equal(3n);
  });

  it('carry values longer than the windows', () => {
    const { engine } = makeHarness();
    const value = Buffer.alloc(1 << 20, 'v');
    const key = bytes('long');
    const results = engine.batch(
      [
        { kind: 'set', key, value },
        { kind: 'get', key },
      ],
      1000,
      1,
    );
    expect(results.map(({ status }) => status)).to.deep.equal(['ok', 'ok']);
    expect(Buffer.from(results[1]?.value ?? []).equals(value)).to.equal(true);
    const { buffers } = engine.memoryStatistics();
    expect(buffers).to.equal(32);
  });
});
