/**
 * What stands in the Leases of a cluster, and how it is read and written.
 *
 * People can edit Leases by hand. Reading is therefore total and strict: whatever is there gives
 * either a typed value or an error that names the field and says what would be right. A reader
 * treats a Lease that it can't read as it treats an API outage: nothing changes by it.
 */
export {
  type LeaseFields,
  type LeaseWrite,
  leaseRevision,
  memberText,
  microTime,
  sameMember,
} from './lease-content.ts';
export type { Address, FieldError, Member, NodeAddressLists, Result } from './lease-fields.ts';
export * from './lease-names.ts';
export * from './node-lease.ts';
export * from './shard-lease.ts';
