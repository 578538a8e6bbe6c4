/** The settings that have no default, for tests. */
export const minimalEnvironment = {
  RDB_CLUSTER: 'demo',
  RDB_CLUSTER_ID: 'b7a1',
  RDB_NODE: 'demo-0',
  RDB_SHARDS: '64',
  RDB_HASH_SEED: '0123456789abcdef',
} as const;
