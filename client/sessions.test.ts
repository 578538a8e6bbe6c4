import { sessionStartMs } from '@r-db/proto/sessions.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { BATCH_OPERATIONS_MAX, SESSION_NUMBERS_MAX, SESSION_OFFSETS_MS } from './limits.ts';
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
  const writeOnce = (session: Session): void => {
    session.answered(session.take(session.reserve(1)).number);
  };

  it('stay the same while their writes are answered, however many', () => {
    const sessions = newSessions();
    const first = sessions.take(1);
    expect(sessionStartMs(first.id)).to.equal(NOW_MS);
    for (let i = 0; i < 3 * SESSION_NUMBERS_MAX; i++) writeOnce(sessions.take(1));
    expect(sessions.take(1)).to.equal(first);
  });

  it('are as many as the writes that are out need, and are used again', () => {
    const sessions = newSessions();
    const used = new Set<Session>();
    const round = (): void => {
      const out: [Session, number][] = [];
      for (let batch = 0; batch < 6; batch++) {
        const session = sessions.take(BATCH_OPERATIONS_MAX);
        used.add(session);
        const number = session.reserve(BATCH_OPERATIONS_MAX);
        for (let i = 0; i < BATCH_OPERATIONS_MAX; i++) session.take(number + i);
        out.push([session, number]);
        session.advance();
        expect(session.span).to.be.at.most(SESSION_NUMBERS_MAX);
      }
      for (const [session, number] of out) {
        for (let i = 0; i < BATCH_OPERATIONS_MAX; i++) session.answered(number + i);
      }
    };
    for (let i = 0; i < 10; i++) round();
    expect(used.size).to.equal(6);
  });

  it('leave one whose write waits for long until it is answered', () => {
    const sessions = newSessions();
    const first = sessions.take(1);
    const stuck = first.take(first.reserve(1));
    while (sessions.take(1) === first) writeOnce(first);
    expect(first.span).to.equal(SESSION_NUMBERS_MAX);
    expect(first.answeredBelow).to.equal(stuck.number);
    const second = sessions.take(1);
    first.answered(stuck.number);
    const fill = second.take(second.reserve(SESSION_NUMBERS_MAX));
    expect(sessions.take(1)).to.equal(first);
    second.answered(fill.number);
  });

  it('are renewed when they ended; dated otherwise if the nodes never took one', () => {
    const sessions = newSessions();
    const first = sessions.take(1);
    first.known = true;
    sessions.end(first);
    const second = sessions.take(1);
    expect(second).to.not.equal(first);
    expect(sessionStartMs(second.id)).to.equal(NOW_MS);
    sessions.end(first);
    expect(sessions.take(1), 'ended once already').to.equal(second);
    const offsets: number[] = [];
    for (let i = 0; i < SESSION_OFFSETS_MS.length + 2; i++) {
      sessions.end(sessions.take(1));
      offsets.push((sessionStartMs(sessions.take(1).id) ?? 0) - NOW_MS);
    }
    expect(offsets.slice(0, 3)).to.deep.equal(SESSION_OFFSETS_MS.slice(1, 4));
    expect(offsets.at(-1)).to.equal(SESSION_OFFSETS_MS.at(-1));
  });
});
