/**
 * Whether the history of one register is linearizable, where every write has a value of its own.
 *
 * Gibbons and Korach: the operations on one value form a cluster; its zone lies between the first end and the
 * last start in it. If the first end comes first, the value was certainly the register's all that time
 * (a forward zone). The history is linearizable exactly if no read ends before its write starts, no two forward
 * zones overlap, and no backward zone lies within a forward one.
 */

export interface RegisterOperation {
  readonly kind: 'read' | 'write';
  /** Undefined: the register's first value. */
  readonly value: string | undefined;
  readonly startMs: number;
  /** Infinity: a write of which nobody knows whether and when it took effect. */
  readonly endMs: number;
}

interface Zone {
  readonly value: string | undefined;
  readonly firstEndMs: number;
  readonly lastStartMs: number;
}

/** Undefined if it is; else what is wrong. */
export function linearizabilityFault(history: readonly RegisterOperation[]): string | undefined {
  const clusters = new Map<string | undefined, RegisterOperation[]>();
  clusters.set(undefined, [{ kind: 'write', value: undefined, startMs: -1, endMs: -1 }]);
  for (const one of history) {
    const cluster = clusters.get(one.value);
    if (cluster === undefined) clusters.set(one.value, [one]);
    else cluster.push(one);
  }
  const zones: Zone[] = [];
  for (const [value, cluster] of clusters) {
    const write = cluster.find(({ kind }) => kind === 'write');
    if (write === undefined) return `${value} was read and never written`;
    const early = cluster.find(({ kind, endMs }) => kind === 'read' && endMs < write.startMs);
    if (early !== undefined) return `${value} was read before it was written`;
    // A write of unknown fate that nobody saw may never have happened.
    if (cluster.length === 1 && write.endMs === Number.POSITIVE_INFINITY) continue;
    const firstEndMs = Math.min(...cluster.map(({ endMs }) => endMs));
    const lastStartMs = Math.max(...cluster.map(({ startMs }) => startMs));
    zones.push({ value, firstEndMs, lastStartMs });
  }
  return zoneFault(zones);
}

function zoneFault(zones: readonly Zone[]): string | undefined {
  const forward = zones
    .filter(({ firstEndMs, lastStartMs }) => firstEndMs < lastStartMs)
    .sort((a, b) => a.firstEndMs - b.firstEndMs);
  for (const [index, zone] of forward.entries()) {
    const next = forward[index + 1];
    if (next !== undefined && next.firstEndMs < zone.lastStartMs) {
      return `${zone.value} was read after ${next.value} had taken its place (${zone.lastStartMs.toFixed(1)} ms)`;
    }
  }
  for (const { value, firstEndMs, lastStartMs } of zones) {
    if (firstEndMs < lastStartMs) continue;
    const around = forward.find(
      (zone) => zone.firstEndMs < lastStartMs && firstEndMs < zone.lastStartMs,
    );
    if (around !== undefined) {
      return `${value} lies within the time of ${around.value} (until ${around.lastStartMs.toFixed(1)} ms)`;
    }
  }
  return undefined;
}
