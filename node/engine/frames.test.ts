import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { command } from './testing/commands.ts';
import { frame, type Harness, makeHarness, runBytes } from './testing/harness.ts';
import { Stop } from './types.ts';

/** The answers to a stream, up to the first error of the protocol; the end of an incomplete rest. */
interface Heard {
  readonly text: string;
  readonly stop: Stop;
  readonly rest: number;
}

function whole(bytes: Uint8Array): Heard {
  const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 16 << 20 });
  const { text, stop, consumed } = runBytes(harness, bytes);
  return { text, stop, rest: stop === Stop.ProtocolError ? 0 : bytes.length - consumed };
}

/** The same stream cut at places, each time handing over only what the engine asked for. */
function inPieces(bytes: Uint8Array, cuts: readonly number[]): Heard {
  const harness = makeHarness({ reservedBytes: 24 << 20, budgetBytes: 16 << 20 });
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  ends.sort((a, b) => a - b);
  let text = '';
  let from = 0;
  let needed = 0;
  let stop: Stop = Stop.Done;
  for (const end of ends) {
    // Nothing may come of a shorter piece than was asked for, so it need not be tried.
    if (end - from < needed) continue;
    const answer = runBytes(harness, bytes.subarray(from, end));
    text += answer.text;
    stop = answer.stop;
    if (stop === Stop.ProtocolError) return { text, stop, rest: 0 };
    from += answer.consumed;
    needed = stop === Stop.Incomplete ? harness.engine.result.needed : 0;
    if (stop === Stop.Incomplete) expect(needed).to.be.greaterThan(end - from);
  }
  return { text, stop: from === bytes.length ? Stop.Done : stop, rest: bytes.length - from };
}

const cuts = fc.array(fc.nat(5000), { maxLength: 8 });

describe('frames of the Redis protocol', function () {
  this.timeout(30_000);

  it('are answered the same, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), cuts, (commands, places) => {
        const bytes = Buffer.concat(commands.map((words) => frame(...words)));
        expect(inPieces(bytes, places)).to.deep.equal(whole(bytes));
      }),
      { numRuns: 120 },
    );
  });

  it('survive any bytes and any damage, the same way however they are cut', () => {
    const alphabet = fc.constantFrom(...'*$+-:\r\n0129 "\'\\xGETSadkey'.split(''));
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(alphabet, { maxLength: 200 }).map((letters) => Buffer.from(letters.join(''))),
    );
    const damage = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 4 });
    const damaged = fc
      .tuple(fc.array(command, { minLength: 1, maxLength: 8 }), damage)
      .map(([commands, changes]) => {
        const bytes = Buffer.concat(commands.map((words) => frame(...words)));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(noise, damaged), cuts, (bytes, places) => {
        expect(inPieces(bytes, places)).to.deep.equal(whole(bytes));
      }),
      { numRuns: 800 },
    );
  });

  const harness = (): Harness => makeHarness({ reservedBytes: 24 << 20, budgetBytes: 16 << 20 });
  const broken: [name: string, bytes: string, error: string][] = [
    ['a count that is no number', '*x\r\n', 'invalid multibulk length'],
    ['a count above the limit', '*1048577\r\n', 'invalid multibulk length'],
    ['a length that is no number', '*1\r\n$x\r\n', 'invalid bulk length'],
    ['a negative length', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['a length above the limit', '*1\r\n$99999999\r\n', 'invalid bulk length'],
    ['another type than a bulk string', '*1\r\n:1\r\n', "expected '$', got ':'"],
    ['quotes that do not end', 'get "a\r\n', 'unbalanced quotes in request'],
    ['an endless inline command', 'a'.repeat(70_000), 'too big inline request'],
    ['an endless count', `*${'1'.repeat(70_000)}`, 'too big mbulk count string'],
    ['an endless length', `*1\r\n$${'1'.repeat(70_000)}`, 'too big bulk count string'],
  ];
  for (const [name, bytes, error] of broken) {
    it(`refuses ${name}`, () => {
      const { text, stop } = runBytes(harness(), Buffer.from(bytes));
      expect(stop).to.equal(Stop.ProtocolError);
      expect(text).to.equal(`-ERR Protocol error: ${error}\r\n`);
    });
  }

  it('skips empty lines and frames', () => {
    expect(runBytes(harness(), Buffer.from('\r\n*0\r\n*-1\r\n\nPING\r\n')).text).to.equal(
      '+PONG\r\n',
    );
  });

  it('reads inline commands with quotes and escapes', () => {
    const { text } = runBytes(
      harness(),
      Buffer.from('echo "a\\x41\\n\\"b"\r\necho \'c\\\'d\'\r\n'),
    );
    expect(text).to.equal(`$5\r\naA\n"b\r\n$3\r\nc'd\r\n`);
  });

  it('asks for the whole of a long value at once', () => {
    const made = harness();
    const bytes = frame('SET', 'k', 'v'.repeat(100_000));
    const { stop } = runBytes(made, bytes.subarray(0, 50));
    expect(stop).to.equal(Stop.Incomplete);
    expect(made.engine.result.needed).to.equal(bytes.length);
  });

  it('takes thousands of arguments byte by byte in linear time', () => {
    const made = harness();
    const words = ['MSET'];
    for (let index = 0; index < 4000; index++) words.push(`{t}${index}`, `${index}`);
    const bytes = frame(...words);
    const start = process.threadCpuUsage().user;
    for (let end = 1; end < bytes.length; end += 7) {
      expect(runBytes(made, bytes.subarray(0, end)).consumed).to.equal(0);
    }
    expect(runBytes(made, bytes).text).to.equal('+OK\r\n');
    // Looking at everything again for each piece would take tens of seconds.
    expect(process.threadCpuUsage().user - start).to.be.lessThan(5_000_000);
  });
});
