/** What the control block says of this shard, as it follows from the state. */

import { keepFreshness } from './freshness.ts';
import { enoughInSync } from './in-sync.ts';
import type { CoreServing } from './io.ts';
import { readUntilMs } from './reads.ts';
import { hasInherited, mayWrite } from './replicate.ts';
import { emit, isBroken, type State } from './state.ts';
import { isSuccessorAwaited } from './successor.ts';

/** Brings the control block up to date with the state. */
export function publish(state: State): void {
  const wanted = servingOf(state);
  if (isSame(wanted, state.serving)) return;
  keepFreshness(state);
  state.serving = wanted;
  emit(state, { kind: 'publish', serving: wanted });
}

function isSame(a: CoreServing, b: CoreServing): boolean {
  if (a.role !== 'leader' || b.role !== 'leader') return a.role === b.role;
  return (
    a.readUntilMs === b.readUntilMs &&
    a.writable === b.writable &&
    a.alone === b.alone &&
    a.tooFewReplicas === b.tooFewReplicas &&
    a.epoch === b.epoch &&
    a.generation === b.generation
  );
}

function servingOf(state: State): CoreServing {
  const { leadership, tracker, options } = state;
  if (leadership === undefined) {
    const taking = !state.stopping && tracker.writing?.leader === options.self;
    return { role: taking || isSuccessorAwaited(state) ? 'starting' : 'elsewhere' };
  }
  // Not before what it inherited is committed: a read that began earlier lacks what another acknowledged,
  // and would pass a look at the clock afterwards. As `leader` comes later, the counter changes and stops it.
  if (hasInherited(state, leadership) && !isBroken(state, 'take-over-reads-early')) {
    return { role: 'starting' };
  }
  const { epoch, generation, alone } = leadership;
  const serving = {
    role: 'leader',
    epoch,
    generation,
    alone,
    readUntilMs: readUntilMs(state),
    writable: mayWrite(state, leadership),
  } as const;
  return enoughInSync(state) ? serving : { ...serving, tooFewReplicas: true };
}
