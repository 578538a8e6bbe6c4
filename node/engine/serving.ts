/** A shard's control block: who serves it, as every thread of the node reads it before each command. */
import type { EngineExports } from './exports.ts';
import type { Serving } from './types.ts';

const roles = ['elsewhere', 'starting', 'leader'] as const;
/** Places in a shard's control block, bytes (assembly/twin/shard.ts). */
export const controlBlock = {
  publication: 4,
  readUntilMs: 8,
  epoch: 16,
  generation: 24,
  role: 32,
  writable: 36,
  refuses: 40,
  replicaReadable: 44,
} as const;
/** Bits of `refuses` (assembly/control.ts). */
const refuses = { memory: 1, writes: 2 } as const;

export function publishServing(exports: EngineExports, shard: number, serving: Serving): void {
  const leader = serving.role === 'leader' ? serving : undefined;
  const replica = serving.role === 'elsewhere' ? serving : undefined;
  exports.publish(
    shard,
    roles.indexOf(serving.role),
    leader?.epoch ?? 0,
    leader?.generation ?? replica?.generation ?? 0,
    leader?.readUntilMs ?? replica?.freshAsOfMs ?? 0,
    leader?.writable === true ? 1 : 0,
    (leader?.refuseMemory === true ? refuses.memory : 0) |
      (leader?.tooFewReplicas === true ? refuses.writes : 0),
    replica?.replicaReadable === true ? 1 : 0,
  );
}

/** `at`: address of the shard. */
export function readServing(data: DataView, at: number): Serving {
  const role = roles[data.getUint32(at + controlBlock.role, true)];
  if (role === 'starting') return { role };
  if (role !== 'leader') {
    const replicaReadable = data.getUint32(at + controlBlock.replicaReadable, true) === 1;
    if (!replicaReadable) return { role: 'elsewhere' };
    return {
      role: 'elsewhere',
      replicaReadable,
      generation: data.getFloat64(at + controlBlock.generation, true),
      freshAsOfMs: data.getFloat64(at + controlBlock.readUntilMs, true),
    };
  }
  const refused = data.getUint32(at + controlBlock.refuses, true);
  return {
    role,
    epoch: data.getFloat64(at + controlBlock.epoch, true),
    generation: data.getFloat64(at + controlBlock.generation, true),
    readUntilMs: data.getFloat64(at + controlBlock.readUntilMs, true),
    writable: data.getUint32(at + controlBlock.writable, true) === 1,
    ...(refused & refuses.memory ? { refuseMemory: true } : {}),
    ...(refused & refuses.writes ? { tooFewReplicas: true } : {}),
  };
}
