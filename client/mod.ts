/**
 * The client library of r_db.
 *
 * @example
 * ```ts
 * import { connect } from '@r-db/client';
 *
 * await using client = await connect({ addresses: ['127.0.0.1:7379'] });
 * await client.set('greeting', 'hello', { expireAfterMs: 60_000 });
 * const greeting = await client.get('greeting');
 * console.log(greeting?.text); // hello
 * ```
 *
 * @module
 */

export type { LastFailover } from '@r-db/proto/leases.ts';
export {
  type CallOptions,
  Client,
  type ConnectOptions,
  connect,
  type NodeStats,
  type Outcome,
  type Outcomes,
} from './client.ts';
export { type LeaderAddress, RdbError, type Reason } from './errors.ts';
export {
  type DeleteOptions,
  type ExpiryOptions,
  type Operation,
  op,
  type ReadOptions,
  type ReadResult,
  type SetOptions,
  type SetResult,
  type TouchOptions,
  type TouchResult,
  type WriteOptions,
} from './operations.ts';
export type { ScanEntry, ScanOptions } from './scan.ts';
export type { Topology, TopologyNode, TopologyShard } from './topology.ts';
export { type Bytes, Value } from './values.ts';
