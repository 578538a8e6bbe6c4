import { sessionStartMs } from '@r-db/proto/sessions.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SESSION_AHEAD_MS_MAX, SESSION_NUMBERS_MAX } from './limits.ts';
import { Session, Sessions } from './sessions.ts';

const NOW_MS = 1_700_000_000_000;

function newSessions(): Sessions {
  let made = 0;
  return new Sessions({ nowMs: () => NOW_MS, random: (bytes) => bytes.fill(++made) });
}

describe('a session', () => {
  it('never calls a number answered that is waited for, and all others in the end', () => {
    const step = fc.record({
      reserve: fc.integer({ min: 1, max: 5 }),
      takes: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      answers: fc.array(fc.nat(), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const session = new Session(new Uint8Array(16));
        const waiting: number[] = [];
        for (const { reserve, takes, answers } of steps) {
          const first = session.reserve(reserve);
          for (let i = 0; i < reserve; i++) {
            if (takes[i]) waiting.push(session.take(first + i).number);
          }
          session.advance();
          expect(session.answeredBelow).to.equal(Math.min(first + reserve, ...waiting));
          for (const one of answers) {
            const [number] = waiting.splice(one % Math.max(1, waiting.length), 1);
            if (number !== undefined) session.answered(number);
          }
        }
        for (const number of waiting) session.answered(number);
        session.advance();
        expect(session.span).to.equal(0);
      }),
    );
  });
});

describe('sessions', () => {
  it('stay the same while their writes are answered, however many', () => {
    const sessions = newSessions();
    const first = sessions.current();
    expect(sessionStartMs(first.id)).to.equal(NOW_MS);
    for (let i = 0; i < 3 * SESSION_NUMBERS_MAX; i++) {
      const session = sessions.current();
      session.answered(session.take(session.reserve(1)).number);
    }
    expect(sessions.current()).to.equal(first);
  });

  it('are left when one write keeps the nodes from forgetting too many others', () => {
    const sessions = newSessions();
    const first = sessions.current();
    const stuck = first.take(first.reserve(1));
    while (sessions.current() === first) first.reserve(1);
    expect(first.span).to.equal(SESSION_NUMBERS_MAX);
    first.advance();
    expect(first.answeredBelow).to.equal(stuck.number);
    expect(sessions.current().id).to.not.deep.equal(first.id);
  });

  it('are renewed when they ended; dated ahead if the nodes never took one', () => {
    const sessions = newSessions();
    const first = sessions.current();
    first.known = true;
    sessions.end(first);
    const second = sessions.current();
    expect(second).to.not.equal(first);
    expect(sessionStartMs(second.id)).to.equal(NOW_MS);
    sessions.end(first);
    expect(sessions.current(), 'ended once already').to.equal(second);
    const starts: number[] = [];
    for (let i = 0; i < 20; i++) {
      sessions.end(sessions.current());
      starts.push((sessionStartMs(sessions.current().id) ?? 0) - NOW_MS);
    }
    expect(starts.slice(0, 3)).to.deep.equal([1_000, 4_000, 16_000]);
    expect(starts.at(-1)).to.equal(SESSION_AHEAD_MS_MAX);
  });
});
