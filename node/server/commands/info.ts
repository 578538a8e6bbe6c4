import { commands } from '../../engine/commands.ts';
import type { Services } from '../context.ts';
import { ledShards } from '../shards.ts';
import { type ServerCommand, word } from './command.ts';

/** The version of Redis whose answers these are, for clients that look at it. */
export const compatibleVersion = '7.2.4';

type Fields = readonly (readonly [name: string, value: string | number | bigint])[];

/** Sections in Redis' order and format; `r_db` is ours. */
const sections: Readonly<Record<string, (services: Services) => Fields>> = {
  Server: (services) => {
    const { identity, startedMs, clock, threads } = services;
    const uptimeSeconds = Math.floor((clock.nowMs() - startedMs) / 1000);
    return [
      ['redis_version', compatibleVersion],
      ['redis_mode', 'cluster'],
      ['os', `${process.platform} ${process.arch}`],
      ['arch_bits', 64],
      ['multiplexing_api', 'libuv'],
      ['process_id', process.pid],
      ['run_id', identity.incarnation.padEnd(40, '0')],
      ['tcp_port', services.settings().respPort],
      ['server_time_usec', clock.nowMs() * 1000],
      ['uptime_in_seconds', uptimeSeconds],
      ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)],
      ['io_threads_active', threads > 1 ? 1 : 0],
    ];
  },
  Clients: ({ statistics, settings }) => [
    ['connected_clients', statistics.connections()],
    ['maxclients', settings().connectionsMax],
    ['blocked_clients', statistics.sum('parked')],
  ],
  Memory: ({ engine }) => {
    const memory = engine.memoryStatistics();
    const resident = process.memoryUsage.rss();
    return [
      ['used_memory', memory.used],
      ['used_memory_human', human(memory.used)],
      ['used_memory_rss', resident],
      ['used_memory_rss_human', human(resident)],
      ['used_memory_dataset', memory.records],
      ['used_memory_overhead', memory.index + memory.buffers],
      ['maxmemory', memory.budget],
      ['maxmemory_human', human(memory.budget)],
      ['maxmemory_policy', 'noeviction'],
    ];
  },
  Persistence: () => [
    ['loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['aof_enabled', 0],
  ],
  Stats: ({ engine, statistics }) => {
    const calls = callsOf(engine, statistics);
    return [
      ['total_connections_received', statistics.sum('connectionsAccepted')],
      ['total_commands_processed', calls.reduce((sum, row) => sum + row.calls, 0)],
      ['total_net_input_bytes', statistics.sum('inputBytes')],
      ['total_net_output_bytes', statistics.sum('outputBytes')],
      ['rejected_connections', statistics.sum('connectionsRefused')],
      ['expired_keys', engine.expiredKeys()],
      ['evicted_keys', 0],
      ['client_output_buffer_limit_disconnections', statistics.sum('slowConsumers')],
      ['total_error_replies', calls.reduce((sum, row) => sum + row.errors, 0)],
    ];
  },
  Replication: ({ identity }) => [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_replid', identity.incarnation.padEnd(40, '0')],
  ],
  CPU: () => {
    const { system, user } = process.cpuUsage();
    return [
      ['used_cpu_sys', (system / 1e6).toFixed(6)],
      ['used_cpu_user', (user / 1e6).toFixed(6)],
    ];
  },
  Commandstats: ({ engine, statistics }) =>
    callsOf(engine, statistics).flatMap((row) =>
      row.calls === 0
        ? []
        : [
            [
              `cmdstat_${row.name.toLowerCase()}`,
              `calls=${row.calls},rejected_calls=0,failed_calls=${row.errors}`,
            ] as const,
          ],
    ),
  Cluster: () => [['cluster_enabled', 1]],
  Keyspace: ({ engine }) => {
    let keys = 0;
    let expiring = 0;
    for (const shard of ledShards(engine)) {
      const statistics = engine.shardStatistics(shard);
      keys += statistics.keys;
      expiring += statistics.expiring;
    }
    return keys === 0 ? [] : [['db0', `keys=${keys},expires=${expiring},avg_ttl=0`]];
  },
  R_db: ({ engine, identity, settings, threads, topology }) => [
    ['rdb_version', identity.version],
    ['rdb_cluster', identity.cluster],
    ['rdb_node', identity.node],
    ['rdb_incarnation', identity.incarnation],
    ['rdb_threads', threads],
    ['rdb_shards', settings().shards],
    ['rdb_shards_led', ledShards(engine).length],
    ['rdb_topology_version', topology.current()?.version ?? 0],
  ],
};

/** Left out unless asked for, as in Redis. */
const onRequest = new Set(['Commandstats']);

export const info: ServerCommand = {
  name: 'INFO',
  arity: -1,
  run: ({ arguments: given, services, reply }) => {
    const wanted = given.slice(1).map(word);
    const all = wanted.includes('ALL') || wanted.includes('EVERYTHING');
    const usual = wanted.length === 0 || wanted.includes('DEFAULT');
    const texts = Object.entries(sections)
      .filter(
        ([name]) => all || (usual && !onRequest.has(name)) || wanted.includes(name.toUpperCase()),
      )
      .map(([name, fields]) => {
        const lines = fields(services).map(([field, value]) => `${field}:${value}\r\n`);
        return `# ${name === 'R_db' ? 'r_db' : name}\r\n${lines.join('')}`;
      });
    reply.verbatim(texts.join('\r\n'));
  },
};

function callsOf(engine: Services['engine'], statistics: Services['statistics']) {
  const engineRows = engine.commandStatistics();
  return commands.map((row, index) => {
    const inServer = statistics.command(index);
    const inEngine = row.runs === 'engine' ? engineRows[index] : undefined;
    return {
      name: row.name,
      calls: (inEngine?.calls ?? 0) + inServer.calls,
      errors: (inEngine?.errors ?? 0) + inServer.errors,
    };
  });
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value}B` : `${value.toFixed(2)}${units[unit]}`;
}
