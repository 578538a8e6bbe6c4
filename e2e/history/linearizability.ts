/**
 * Whether a history is linearizable, key by key: our own checker, for the fast loop. The judge is
 * Porcupine (`e2e/linearizability`).
 *
 * A depth-first search for an order that keeps to the times and that the key's model explains (Wing and Gong),
 * remembering where it has been (Lowe). Operations of unknown outcome may come anywhere after their start, or
 * never; they are tried last, so that a history without need of them is checked in one go.
 */
import { stepsMax } from './limits.ts';
import type { Operation } from './operation.ts';

export type Verdict = 'linearizable' | 'not linearizable' | 'not decided';

export interface Checked {
  readonly verdict: Verdict;
  readonly keys: number;
  readonly operations: number;
  /** One sentence for each key that is not linearizable, or whose search took too long. */
  readonly faults: readonly string[];
}

/** A key's value: a register's text, a counter's number; null if absent. */
type State = string | number | null;

/** One that must be explained (finite end), or may be (Infinity). */
interface Timed {
  readonly operation: Operation;
  readonly startNs: number;
  readonly endNs: number;
}

/** Checks every key. What failed certainly is left out: if it had an effect, nothing explains that. */
export function check(history: readonly Operation[], limit = stepsMax): Checked {
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) {
    const { kind, outcome } = operation;
    if (outcome === 'failed' || (outcome === 'unknown' && kind === 'read')) continue;
    const known = byKey.get(operation.key);
    if (known === undefined) byKey.set(operation.key, [operation]);
    else known.push(operation);
  }
  const faults: string[] = [];
  let verdict: Verdict = 'linearizable';
  let operations = 0;
  for (const [key, ofKey] of byKey) {
    operations += ofKey.length;
    const fault = keyFault(ofKey, limit);
    if (fault === undefined) continue;
    faults.push(`${key}: ${fault.text}`);
    if (verdict !== 'not linearizable') verdict = fault.verdict;
  }
  return { verdict, keys: byKey.size, operations, faults };
}

interface Fault {
  readonly verdict: Verdict;
  readonly text: string;
}

/** A place in the search: which operations are behind us, and the value that they lead to. */
interface Place {
  /** All before it are behind us. */
  readonly base: number;
  /** Also behind us, from `base` on, ascending. */
  readonly beyond: readonly number[];
  /** Those of unknown outcome that took effect. */
  readonly used: readonly number[];
  readonly state: State;
}

function keyFault(operations: readonly Operation[], limit: number): Fault | undefined {
  const { must, may } = timed(operations);
  const start: Place = { base: 0, beyond: [], used: [], state: null };
  const stack: Place[] = [start];
  const seen = new Set<string>();
  let furthest = start;
  for (let steps = 0; ; steps++) {
    const place = stack.pop();
    if (place === undefined) break;
    if (steps >= limit) {
      return { verdict: 'not decided', text: `no decision within ${limit} steps` };
    }
    if (place.base === must.length) return undefined;
    if (done(place) > done(furthest)) furthest = place;
    const name = `${place.base}|${place.beyond}|${place.used}|${place.state}`;
    if (seen.has(name)) continue;
    seen.add(name);
    stack.push(...nextPlaces(place, must, may));
  }
  return { verdict: 'not linearizable', text: describe(furthest, must) };
}

const done = ({ base, beyond }: Place): number => base + beyond.length;

/** Where one more operation leads; what is tried first stands last. */
function nextPlaces(place: Place, must: readonly Timed[], may: readonly Timed[]): Place[] {
  const candidates: number[] = [];
  let firstEndNs = Number.POSITIVE_INFINITY;
  const beyond = new Set(place.beyond);
  for (let index = place.base; index < must.length; index++) {
    const one = must[index];
    if (one === undefined || one.startNs > firstEndNs) break;
    if (beyond.has(index)) continue;
    candidates.push(index);
    firstEndNs = Math.min(firstEndNs, one.endNs);
  }
  const next: Place[] = [];
  for (const index of unknownCandidates(place, may, firstEndNs)) {
    const state = step(place.state, may[index]?.operation);
    // Without effect it need not have happened.
    if (state === undefined || state === place.state) continue;
    next.push({ ...place, used: [...place.used, index].sort((a, b) => a - b), state });
  }
  for (const index of candidates.reverse()) {
    if ((must[index]?.startNs ?? 0) > firstEndNs) continue;
    const state = step(place.state, must[index]?.operation);
    if (state !== undefined) next.push(advance(place, index, state));
  }
  return next;
}

function unknownCandidates(place: Place, may: readonly Timed[], firstEndNs: number): number[] {
  const free = may.flatMap((one, index) =>
    one.startNs <= firstEndNs && !place.used.includes(index) ? [index] : [],
  );
  // Increments of unknown outcome are alike: what the first can't explain, no later one can.
  return may[0]?.operation.kind === 'increment' ? free.slice(0, 1) : free;
}

function advance(place: Place, index: number, state: State): Place {
  let { base } = place;
  const beyond = new Set([...place.beyond, index]);
  while (beyond.delete(base)) base++;
  return { base, beyond: [...beyond].sort((a, b) => a - b), used: place.used, state };
}

/** The value after an operation; undefined if it can't have happened on that value. */
function step(state: State, operation: Operation | undefined): State | undefined {
  if (operation === undefined) return undefined;
  const { kind, outcome, result, value = '', expected } = operation;
  switch (kind) {
    case 'read':
      return (state === null ? null : String(state)) === result ? state : undefined;
    case 'write':
      return value;
    case 'increment': {
      const sum = Number(state ?? 0) + 1;
      return outcome === 'unknown' || String(sum) === result ? sum : undefined;
    }
    case 'compare-and-set': {
      const holds = state === expected;
      if (outcome === 'ok' && holds !== result) return undefined;
      return holds ? value : state;
    }
  }
}

function timed(operations: readonly Operation[]): { must: Timed[]; may: Timed[] } {
  // Relative times: a double holds them exactly for 104 days.
  const zero = operations.reduce(
    (least, { startNs }) => {
      const startsAt = BigInt(startNs);
      return startsAt < least ? startsAt : least;
    },
    BigInt(operations[0]?.startNs ?? 0),
  );
  const all = operations
    .map((operation) => ({
      operation,
      startNs: Number(BigInt(operation.startNs) - zero),
      endNs:
        operation.outcome === 'unknown'
          ? Number.POSITIVE_INFINITY
          : Number(BigInt(operation.endNs) - zero),
    }))
    .sort((a, b) => a.startNs - b.startNs);
  return {
    must: all.filter(({ endNs }) => endNs !== Number.POSITIVE_INFINITY),
    may: all.filter(({ endNs }) => endNs === Number.POSITIVE_INFINITY),
  };
}

function describe(place: Place, must: readonly Timed[]): string {
  const stuck = must
    .slice(place.base)
    .filter((_, offset) => !place.beyond.includes(place.base + offset))
    .reduce<Timed | undefined>(
      (first, one) => (first === undefined || one.endNs < first.endNs ? one : first),
      undefined,
    );
  const { process, kind, value, expected, result } = stuck?.operation ?? {};
  const what = [kind, expected, value].filter((word) => word !== undefined).join(' ');
  const ms = ((stuck?.startNs ?? 0) / 1e6).toFixed(1);
  return (
    `nothing explains "${what}" -> ${JSON.stringify(result ?? null)} of ${process}, begun at ${ms} ms, ` +
    `after ${done(place)} operations that lead to ${JSON.stringify(place.state)}`
  );
}
