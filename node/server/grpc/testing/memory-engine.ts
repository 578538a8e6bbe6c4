/**
 * An engine of plain maps with the semantics of `Engine.batch` and `scan`: lets tests of the gRPC side
 * order what the real one does only under load (parking, losing leadership between two operations).
 */
import { keyToShard } from '@r-db/proto/slots.ts';
import type {
  Engine,
  Operation,
  OperationResult,
  ScanOptions,
  ScanResult,
  Serving,
} from '../../../engine/types.ts';
import { ParkReason } from '../../../engine/types.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: bigint;
  readonly expireAtMs?: number;
}

export interface MemoryEngineOptions {
  readonly shards: number;
  readonly keyBytesMax?: number;
  readonly valueBytesMax?: number;
}

type Used =
  | 'arena'
  | 'batch'
  | 'gathered'
  | 'scan'
  | 'serving'
  | 'publish'
  | 'waitForShard'
  | 'shardStatistics'
  | 'memoryStatistics'
  | 'expiredKeys';

export class MemoryEngine implements Pick<Engine, Used> {
  readonly arena: Engine['arena'];
  /** Operations on these shards park, for this reason. */
  readonly parked = new Map<number, ParkReason>();
  /** The next operation on one of these shards parks; those after it don't. */
  readonly parkedOnce = new Set<number>();
  /** All that it does is committed at once. */
  readonly gathered = { count: 0, shards: new Uint32Array(0), batches: new Uint32Array(0) };
  /** Keys in the order in which their operations were executed. */
  readonly executed: string[] = [];
  /** Operations given to each call of `batch`. */
  readonly calls: number[] = [];
  readonly #shards: Map<string, Entry>[];
  readonly #serving: Serving[];
  readonly #waiters = new Map<number, Set<() => void>>();
  #sequence = 0n;

  constructor({
    shards,
    keyBytesMax = 65_536,
    valueBytesMax = 16 * 1024 * 1024,
  }: MemoryEngineOptions) {
    this.arena = {
      memory: new WebAssembly.Memory({ initial: 0, maximum: 1, shared: true }),
      module: new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
      options: {
        reservedBytes: 0,
        budgetBytes: 0,
        threads: 1,
        shards,
        hashSeed: 0n,
        keyBytesMax,
        valueBytesMax,
      },
    };
    this.#shards = Array.from({ length: shards }, () => new Map<string, Entry>());
    this.#serving = Array.from({ length: shards }, () => ({ role: 'elsewhere' }));
  }

  /** The whole, for where an Engine is asked for; what is not in `Used` throws when called. */
  asEngine(): Engine {
    return this as unknown as Engine;
  }

  leadAll(generation = 1): void {
    this.#serving.forEach((_, shard) => {
      this.publish(shard, {
        role: 'leader',
        epoch: 1,
        generation,
        readUntilMs: Number.POSITIVE_INFINITY,
        writable: true,
      });
    });
  }

  publish(shard: number, serving: Serving): void {
    this.#serving[shard] = serving;
    this.wake(shard);
  }

  serving(shard: number): Serving {
    return this.#serving[shard] ?? { role: 'elsewhere' };
  }

  wake(shard: number): void {
    for (const waiter of this.#waiters.get(shard) ?? []) waiter();
  }

  unpark(shard: number): void {
    this.parked.delete(shard);
    this.wake(shard);
  }

  /** Resolves when somebody waits for the shard. */
  async waited(shard: number): Promise<void> {
    while ((this.#waiters.get(shard)?.size ?? 0) === 0) await new Promise(setImmediate);
  }

  async waitForShard(shard: number, timeoutMs: number): Promise<void> {
    const waiters = this.#waiters.get(shard) ?? new Set();
    this.#waiters.set(shard, waiters);
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        waiters.delete(settle);
        resolve();
      };
      const timer = setTimeout(settle, timeoutMs);
      waiters.add(settle);
    });
  }

  batch(operations: readonly Operation[], nowMs: number): OperationResult[] {
    this.calls.push(operations.length);
    const results: OperationResult[] = [];
    for (const operation of operations) {
      const last = results.at(-1);
      results.push(last?.status === 'park' ? last : this.#run(operation, nowMs));
    }
    return results;
  }

  scan(shard: number, cursor: bigint, options: ScanOptions): ScanResult {
    if (this.serving(shard).role !== 'leader')
      return { status: 'not-leader', cursor: 0n, entries: [] };
    const reason = this.parked.get(shard);
    if (reason !== undefined) return { status: 'park', cursor: 0n, entries: [] };
    const all = [...(this.#shards[shard]?.values() ?? [])];
    const page = all.slice(Number(cursor), Number(cursor) + options.keysMax);
    const next = cursor + BigInt(page.length);
    const prefix = options.match && Buffer.from(options.match).toString().replace(/\*$/, '');
    return {
      status: 'ok',
      cursor: next < all.length ? next : 0n,
      entries: page
        .filter(({ key }) => prefix === undefined || Buffer.from(key).toString().startsWith(prefix))
        .map(({ value, ...rest }) => (options.withValues ? { ...rest, value } : rest)),
    };
  }

  shardStatistics(shard: number): ReturnType<Engine['shardStatistics']> {
    const keys = this.#shards[shard]?.size ?? 0;
    return { keys, bytes: 0, expiring: 0, sequence: this.#sequence };
  }

  memoryStatistics(): ReturnType<Engine['memoryStatistics']> {
    return { budget: 1000, used: 300, records: 200, index: 60, buffers: 40, reserved: 2000 };
  }

  expiredKeys(): number {
    return 7;
  }

  #run(operation: Operation, nowMs: number): OperationResult {
    const shard = keyToShard(operation.key, this.arena.options.shards);
    const reason = this.parked.get(shard);
    if (reason !== undefined) return { status: 'park', shard, reason };
    if (this.parkedOnce.delete(shard)) return { status: 'park', shard, reason: ParkReason.Busy };
    if (this.serving(shard).role === 'starting') {
      return { status: 'park', shard, reason: ParkReason.NotServing };
    }
    const serving = this.serving(shard);
    const readable = serving.role === 'elsewhere' && serving.replicaReadable === true;
    const anyReplica = operation.kind === 'get' && operation.anyReplica === true && readable;
    if (serving.role !== 'leader' && !anyReplica) return { status: 'not-leader', shard };
    this.executed.push(Buffer.from(operation.key).toString('latin1'));
    return { ...this.#apply(this.#shards[shard] ?? new Map(), operation, nowMs), shard };
  }

  #apply(
    map: Map<string, Entry>,
    operation: Operation,
    nowMs: number,
  ): Omit<OperationResult, 'shard'> {
    const name = Buffer.from(operation.key).toString('latin1');
    const found = map.get(name);
    const entry = found?.expireAtMs !== undefined && found.expireAtMs <= nowMs ? undefined : found;
    const put = (value: Uint8Array, expireAtMs?: number): Entry => {
      const version = ++this.#sequence;
      const stored = {
        key: operation.key,
        value,
        version,
        ...(expireAtMs === undefined ? {} : { expireAtMs }),
      };
      map.set(name, stored);
      return stored;
    };
    switch (operation.kind) {
      case 'get':
        return entry === undefined ? { status: 'not-found' } : { status: 'ok', ...entry };
      case 'set': {
        const { condition, ifVersion, expireAtMs } = operation;
        if (condition !== undefined && (condition === 'if-present') !== (entry !== undefined)) {
          return { status: 'condition-failed' };
        }
        if (ifVersion !== undefined && entry?.version !== ifVersion)
          return { status: 'version-mismatch' };
        const { version } = put(
          operation.value,
          expireAtMs === 'keep' ? entry?.expireAtMs : expireAtMs,
        );
        return { status: 'ok', version };
      }
      case 'delete':
        if (operation.ifVersion !== undefined && entry?.version !== operation.ifVersion) {
          return { status: 'version-mismatch' };
        }
        map.delete(name);
        return { status: entry === undefined ? 'not-found' : 'ok' };
      case 'increment': {
        const text = Buffer.from(entry?.value ?? Buffer.from('0')).toString();
        if (!/^-?\d{1,19}$/.test(text)) return { status: 'not-an-integer' };
        const number = BigInt(text) + operation.by;
        if (BigInt.asIntN(64, number) !== number) return { status: 'overflow' };
        return {
          status: 'ok',
          number,
          version: put(Buffer.from(String(number)), entry?.expireAtMs).version,
        };
      }
      case 'append': {
        const value = Buffer.concat([entry?.value ?? new Uint8Array(0), operation.value]);
        if (value.length > this.arena.options.valueBytesMax) return { status: 'too-large' };
        return {
          status: 'ok',
          number: BigInt(value.length),
          version: put(value, entry?.expireAtMs).version,
        };
      }
      case 'touch': {
        if (entry === undefined) return { status: 'not-found' };
        if (operation.expireAtMs === undefined) return { status: 'ok', ...entry };
        const { version, expireAtMs } = put(entry.value, operation.expireAtMs ?? undefined);
        return { status: 'ok', version, ...(expireAtMs === undefined ? {} : { expireAtMs }) };
      }
    }
  }
}
