import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { limits } from './limits.ts';
import { type RequestId, type SessionBounds, Sessions } from './sessions.ts';

const nowMs = 1_800_000_000_000;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A session that began so long before now. */
function session(name: number, ageMs = 1_000): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(nowMs - ageMs) << 16n);
  bytes[15] = name;
  return bytes;
}

const id = (name: number, number: number, answeredBelow = 1, ageMs?: number): RequestId => ({
  session: session(name, ageMs),
  number,
  answeredBelow,
});

function write(sessions: Sessions, request: RequestId, result: string): void {
  expect(sessions.begin(request, nowMs).kind).to.equal('new');
  expect(sessions.record(request, bytesOf(result))).to.equal(true);
}

/** Seals and commits what is recorded. Returns the entry's content. */
function commit(sessions: Sessions, engine = 'engine'): Uint8Array {
  const content = sessions.seal(bytesOf(engine), nowMs);
  sessions.committed();
  return content;
}

describe('sessions', () => {
  it('give a number that comes again its first answer, once that is committed', () => {
    const sessions = new Sessions();
    write(sessions, id(1, 1), 'one');
    expect(sessions.begin(id(1, 1), nowMs)).to.deep.equal({ kind: 'pending' });
    sessions.seal(bytesOf('engine'), nowMs);
    expect(sessions.begin(id(1, 1), nowMs)).to.deep.equal({ kind: 'pending' });
    sessions.committed();
    expect(sessions.begin(id(1, 1), nowMs)).to.deep.equal({
      kind: 'answered',
      result: bytesOf('one'),
    });
    expect(sessions.begin(id(1, 2), nowMs)).to.deep.equal({ kind: 'new' });
  });

  it('know nothing of what was rolled back, abandoned, or dropped with its leadership', () => {
    const sessions = new Sessions();
    write(sessions, id(1, 1), 'one');
    sessions.seal(bytesOf(''), nowMs);
    write(sessions, id(1, 2), 'two');
    expect(sessions.begin(id(1, 3), nowMs).kind).to.equal('new');
    sessions.dropGathered();
    expect(sessions.record(id(1, 3), bytesOf('late'))).to.equal(false);
    sessions.rolledBack();
    expect(sessions.begin(id(1, 4), nowMs).kind).to.equal('new');
    sessions.abandon(id(1, 4));
    for (const number of [1, 2, 3, 4]) {
      expect(sessions.begin(id(1, number), nowMs).kind, `${number}`).to.equal('new');
    }
    expect(sessions.size).to.equal(0);
  });

  it('travel with entries, and leave the engine its bytes', () => {
    const leader = new Sessions();
    const follower = new Sessions();
    write(leader, id(1, 7), 'seven');
    const content = commit(leader, 'effects');
    expect(new TextDecoder().decode(follower.apply(content))).to.equal('effects');
    expect(follower.begin(id(1, 7), nowMs).kind).to.equal('answered');
    // Without sessions, nothing is added, nor copied.
    const plain = bytesOf('plain');
    expect(leader.seal(plain, nowMs)).to.equal(plain);
  });

  it('forget what the client says it has', () => {
    const sessions = new Sessions();
    for (const number of [1, 2, 3]) write(sessions, id(1, number), 'x');
    write(sessions, id(1, 4, 3), 'x');
    commit(sessions);
    expect(sessions.begin(id(1, 2), nowMs).kind).to.equal('ended');
    expect(sessions.begin(id(1, 3), nowMs).kind).to.equal('answered');
    expect(sessions.begin(id(1, 2, 5), nowMs).kind, 'below its own bound').to.equal('ended');
  });

  it('end where too many write: the one that wrote least recently, and all that are as old and unknown', () => {
    const bounds: SessionBounds = { ...limits, sessionsMax: 2 };
    const leader = new Sessions(bounds);
    const follower = new Sessions();
    for (const [name, ageMs] of [
      [1, 3_000],
      [2, 2_000],
      [1, 3_000],
      [3, 1_000],
    ] as const) {
      const number = name === 1 ? leader.size + 1 : 1;
      write(leader, id(name, number, 1, ageMs), 'x');
      follower.apply(commit(leader));
    }
    for (const sessions of [leader, follower]) {
      expect(sessions.size).to.equal(2);
      expect(sessions.endedBeforeMs).to.equal(nowMs - 2_000 + 1);
      expect(sessions.begin(id(2, 1, 1, 2_000), nowMs).kind, 'forgotten').to.equal('ended');
      expect(sessions.begin(id(9, 1, 1, 2_500), nowMs).kind, 'older, unknown').to.equal('ended');
      expect(sessions.begin(id(1, 1, 1, 3_000), nowMs).kind, 'older, known').to.equal('answered');
    }
    expect(follower.encode()).to.deep.equal(leader.encode());
  });

  it('keep no session that writes, and none that began in the future, from being remembered', () => {
    const sessions = new Sessions({ ...limits, sessionsMax: 1 });
    write(sessions, id(1, 1, 1, -5_000), 'x');
    commit(sessions);
    expect(sessions.begin(id(2, 1), nowMs).kind, 'no room').to.equal('ended');
    const later = nowMs + 6_000;
    expect(sessions.begin(id(1, 2, 1, -5_000), later).kind).to.equal('new');
    expect(sessions.begin(id(2, 1), later).kind, 'the other writes').to.equal('ended');
    sessions.abandon(id(1, 2, 1, -5_000));
    expect(sessions.begin(id(2, 1), later).kind).to.equal('new');
    const ahead = -limits.sessionAheadMaxMs - 1;
    expect(sessions.begin(id(3, 1, 1, ahead), nowMs).kind, 'far ahead').to.equal('ended');
  });

  it('keep a bounded number of answers, and none that is large', () => {
    const sessions = new Sessions({ ...limits, sessionResultsMax: 8, sessionResultBytesMax: 4 });
    for (let number = 1; number <= 9; number++) {
      write(sessions, id(1, number), 'x');
      commit(sessions);
    }
    expect(sessions.begin(id(1, 2), nowMs).kind).to.equal('ended');
    expect(sessions.begin(id(1, 3), nowMs).kind).to.equal('answered');
    write(sessions, id(1, 10), 'large');
    commit(sessions);
    expect(sessions.begin(id(1, 10), nowMs).kind).to.equal('ended');
  });

  it('end with their generation', () => {
    const leader = new Sessions();
    leader.lead({ generation: 2, wallMs: nowMs });
    expect(leader.begin(id(1, 1), nowMs).kind).to.equal('ended');
    expect(leader.begin(id(1, 1, 1, -1), nowMs).kind).to.equal('new');
    const follower = new Sessions();
    follower.apply(commit(leader));
    expect(follower.endedBeforeMs).to.equal(nowMs);
    // Told once: later entries are as short as before.
    expect(leader.seal(bytesOf(''), nowMs).length).to.equal(0);
    // What begins as a content with sessions does is told apart.
    leader.committed();
    const odd = Uint8Array.of(0xff, 1);
    expect(follower.apply(leader.seal(odd, nowMs))).to.deep.equal(odd);
    const first = new Sessions();
    first.lead({ generation: 1, wallMs: nowMs });
    expect(first.begin(id(1, 1), nowMs).kind).to.equal('new');
  });

  it('count at once where the engine commits by itself', () => {
    const sessions = new Sessions();
    write(sessions, id(1, 1), 'one');
    sessions.commitAlone(nowMs);
    expect(sessions.begin(id(1, 1), nowMs).kind).to.equal('answered');
  });

  it('refuse what is no table or section', () => {
    const sessions = new Sessions();
    write(sessions, id(1, 1), 'one');
    const content = commit(sessions);
    const table = sessions.encode();
    expect(() => new Sessions().replace(table.subarray(0, -1))).to.throw(RangeError);
    expect(() => new Sessions().replace(Uint8Array.of(...table, 0))).to.throw(RangeError);
    expect(() => new Sessions().apply(content.subarray(0, -1))).to.throw(RangeError);
  });

  it('are equal at every replica, whether it had the entries or a snapshot and the entries after it', () => {
    const step = fc.record({
      name: fc.integer({ min: 0, max: 5 }),
      numbers: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
      answeredBelow: fc.integer({ min: 1, max: 6 }),
      commits: fc.boolean(),
    });
    const bounds = { ...limits, sessionsMax: 3, sessionResultsMax: 4, sessionBytesMax: 1_500 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
        const leader = new Sessions(bounds);
        const follower = new Sessions();
        const late = new Sessions();
        const joinAt = seed % (steps.length + 1);
        const entries: Uint8Array[] = [];
        for (const [at, { name, numbers, answeredBelow, commits }] of steps.entries()) {
          for (const number of numbers) {
            const request = id(name, number, answeredBelow, 1_000 + name);
            if (leader.begin(request, nowMs).kind !== 'new') continue;
            leader.record(request, bytesOf(`${name}:${number}`));
          }
          const content = leader.seal(bytesOf(`${at}`), nowMs);
          if (commits) {
            leader.committed();
            entries.push(content);
            follower.apply(content);
          } else leader.rolledBack();
          if (at === joinAt) {
            late.replace(leader.encode());
            // The last few come again, after the table in which they are counted.
            for (const entry of entries.slice(-3)) late.apply(entry);
          } else if (at > joinAt && commits) late.apply(content);
          expect(leader.size).to.be.at.most(bounds.sessionsMax);
        }
        expect(follower.encode()).to.deep.equal(leader.encode());
        if (joinAt < steps.length) expect(late.encode()).to.deep.equal(leader.encode());
      }),
    );
  });
});
