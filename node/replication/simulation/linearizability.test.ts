import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { linearizabilityFault, type RegisterOperation } from './linearizability.ts';

const operation = (
  kind: 'read' | 'write',
  value: string | undefined,
  startMs: number,
  endMs: number,
): RegisterOperation => ({ kind, value, startMs, endMs });

describe('linearizability of a register', () => {
  it('holds for what happened one after the other', () => {
    const history = [
      operation('read', undefined, 0, 1),
      operation('write', 'a', 2, 3),
      operation('read', 'a', 4, 5),
    ];
    expect(linearizabilityFault(history)).to.equal(undefined);
  });

  it('fails for a read of an overwritten value', () => {
    const history = [
      operation('write', 'a', 0, 1),
      operation('write', 'b', 2, 3),
      operation('read', 'a', 4, 5),
    ];
    expect(linearizabilityFault(history)).to.be.a('string');
  });

  it('lets a write of unknown fate happen late, and not at all, but not twice', () => {
    const unknown = operation('write', 'a', 0, Number.POSITIVE_INFINITY);
    const later = operation('write', 'b', 2, 3);
    const first = operation('read', 'b', 4, 5);
    const second = operation('read', 'a', 6, 7);
    expect(linearizabilityFault([unknown, later, first])).to.equal(undefined);
    expect(linearizabilityFault([unknown, later, first, second])).to.equal(undefined);
    const third = operation('read', 'b', 8, 9);
    expect(linearizabilityFault([unknown, later, first, second, third])).to.be.a('string');
  });

  it('fails for a value from nowhere', () => {
    expect(linearizabilityFault([operation('read', 'z', 0, 1)])).to.contain('never written');
  });

  it('agrees with trying every order', () => {
    const time = fc.integer({ min: 0, max: 12 });
    const value = fc.constantFrom(undefined, 'a', 'b', 'c');
    const read = fc.tuple(value, time, time).map(([of, a, b]) => {
      return operation('read', of, Math.min(a, b), Math.max(a, b) + 0.5);
    });
    const write = (of: string) =>
      fc.tuple(time, time).map(([a, b]) => {
        return operation('write', of, Math.min(a, b), Math.max(a, b) + 0.5);
      });
    const history = fc
      .tuple(write('a'), write('b'), write('c'), fc.array(read, { maxLength: 3 }))
      .map(([a, b, c, reads]) => [a, b, c, ...reads]);
    fc.assert(
      fc.property(history, (operations) => {
        const fault = linearizabilityFault(operations);
        expect(fault === undefined).to.equal(hasOrder(operations, undefined));
      }),
      { numRuns: 2_000 },
    );
  });
});

/** The slow reference: some order that keeps to the times gives every read its value. */
function hasOrder(left: readonly RegisterOperation[], value: string | undefined): boolean {
  if (left.length === 0) return true;
  const firstEndMs = Math.min(...left.map(({ endMs }) => endMs));
  return left.some((one) => {
    if (one.startMs > firstEndMs) return false;
    if (one.kind === 'read' && one.value !== value) return false;
    const rest = left.filter((other) => other !== one);
    return hasOrder(rest, one.kind === 'write' ? one.value : value);
  });
}
