/** Commands about the cluster: status, shards, slots. */
import { keyToShard, keyToSlot } from '@r-db/proto/slots.ts';
import type { Client, NodeStats, Topology, TopologyNode } from '../mod.ts';
import { RdbError } from '../mod.ts';
import type { ClusterCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { formatBytes, formatDuration, type Output } from './output.ts';

export const status: ClusterCommand = {
  usage: '',
  summary: 'show nodes, shards and what they hold',
  options: {},
  takes: { min: 0, max: 0 },
  run: async (client, { output, timeoutMs }) => {
    const topology = client.topology();
    const nodes = await Promise.all(
      topology.nodes.map((node) => nodeStatus(client, topology, { node, timeoutMs })),
    );
    const led = topology.shards.filter(({ leader }) => leader !== undefined).length;
    if (output.json) output.value(statusJson(topology, nodes, led));
    else statusText(output, topology, nodes, led);
    const healthy =
      led === topology.shards.length && nodes.every(({ stats }) => stats !== undefined);
    return healthy ? EXIT.ok : EXIT.failed;
  },
};

export const shards: ClusterCommand = {
  usage: '',
  summary: 'list shards: slots, leader, followers, epoch, generation',
  options: {},
  takes: { min: 0, max: 0 },
  run: async (client, { output }) => {
    const topology = client.topology();
    if (output.json) {
      output.value(topology.shards.map((shard) => ({ ...shard, leader: shard.leader ?? null })));
      return EXIT.ok;
    }
    output.table(
      ['SHARD', 'SLOTS', 'LEADER', 'FOLLOWERS', 'IN SYNC', 'EPOCH', 'GENERATION'],
      topology.shards.map((shard) => [
        String(shard.shard),
        `${shard.firstSlot}-${shard.lastSlot}`,
        shard.leader ?? '-',
        shard.followers.join(',') || '-',
        String(shard.inSync.length),
        String(shard.epoch),
        String(shard.generation),
      ]),
      [0, 4, 5, 6],
    );
    return EXIT.ok;
  },
};

export const slots: ClusterCommand = {
  usage: 'KEY...',
  summary: 'tell the slot, shard and leader of keys',
  options: {},
  takes: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async (client, { args, output }) => {
    const topology = client.topology();
    const rows = args.positionals.map((key) => {
      const shard = keyToShard(key, topology.shards.length);
      const leader = topology.shards[shard]?.leader;
      const node = topology.nodes.find(({ name }) => name === leader);
      return { key, slot: keyToSlot(key), shard, leader, grpc: node?.grpc, resp: node?.resp };
    });
    if (output.json) {
      output.value(
        rows.map(({ leader = null, grpc = null, resp = null, ...rest }) => ({
          ...rest,
          leader,
          grpc,
          resp,
        })),
      );
      return EXIT.ok;
    }
    output.table(
      ['KEY', 'SLOT', 'SHARD', 'LEADER', 'GRPC', 'RESP'],
      rows.map(({ key, slot, shard, leader, grpc, resp }) => [
        key,
        String(slot),
        String(shard),
        leader ?? '-',
        grpc ?? '-',
        resp ?? '-',
      ]),
      [1, 2],
    );
    return EXIT.ok;
  },
};

interface NodeStatus {
  readonly node: TopologyNode;
  /** Shards that it leads by the topology. */
  readonly leads: number;
  readonly stats: NodeStats | undefined;
  /** Why there are no figures. */
  readonly problem: string | undefined;
}

async function nodeStatus(
  client: Client,
  topology: Topology,
  { node, timeoutMs }: { node: TopologyNode; timeoutMs: number },
): Promise<NodeStatus> {
  const leads = topology.shards.filter(({ leader }) => leader === node.name).length;
  if (node.grpc === undefined)
    return { node, leads, stats: undefined, problem: 'its address is not known' };
  try {
    return { node, leads, stats: await client.stats(node.grpc, { timeoutMs }), problem: undefined };
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    return { node, leads, stats: undefined, problem: error.message };
  }
}

function keysOf(stats: NodeStats): bigint {
  return stats.shards.reduce((sum, { keys }) => sum + keys, 0n);
}

function statusJson(topology: Topology, nodes: readonly NodeStatus[], led: number): unknown {
  const { cluster, clusterId, version } = topology;
  return {
    cluster,
    clusterId,
    version,
    shards: { total: topology.shards.length, led },
    nodes: nodes.map(({ node, leads, stats, problem }) => ({
      name: node.name,
      grpc: node.grpc ?? null,
      resp: node.resp ?? null,
      zone: node.zone,
      leads,
      up: stats !== undefined,
      problem: problem ?? null,
      ...(stats && {
        version: stats.version,
        incarnation: stats.incarnation,
        uptimeMs: Number(stats.uptimeMs),
        keys: Number(keysOf(stats)),
        connections: stats.connections,
        memory: {
          usedBytes: Number(stats.memory?.used ?? 0n),
          budgetBytes: Number(stats.memory?.budget ?? 0n),
        },
      }),
    })),
  };
}

function statusText(
  output: Output,
  topology: Topology,
  nodes: readonly NodeStatus[],
  led: number,
): void {
  const up = nodes.filter(({ stats }) => stats !== undefined).length;
  const total = topology.shards.length;
  const colour = (count: number, of: number): string =>
    output.style(count === of ? 'green' : 'red', `${count}/${of}`);
  output.line(`${output.style('bold', topology.cluster)}  r_db ${topology.version}`);
  output.line(`nodes ${colour(up, nodes.length)} up, shards ${colour(led, total)} with a leader`);
  output.line('');
  output.table(
    ['NODE', 'GRPC', 'RESP', 'ZONE', 'LEADS', 'KEYS', 'MEMORY', 'UP'],
    nodes.map(({ node, leads, stats, problem }) => [
      node.name,
      node.grpc ?? '-',
      node.resp ?? '-',
      node.zone || '-',
      String(leads),
      stats === undefined ? '-' : String(keysOf(stats)),
      stats === undefined ? '-' : memory(stats),
      stats === undefined ? `no: ${problem}` : formatDuration(Number(stats.uptimeMs)),
    ]),
    [4, 5],
  );
  const leaderless = topology.shards
    .filter(({ leader }) => leader === undefined)
    .map(({ shard }) => shard);
  if (leaderless.length > 0) {
    output.line('');
    output.line(output.style('red', `without a leader: shards ${leaderless.join(', ')}`));
  }
}

function memory({ memory: figures }: NodeStats): string {
  const used = Number(figures?.used ?? 0n);
  const budget = Number(figures?.budget ?? 0n);
  return `${formatBytes(used)} of ${formatBytes(budget)}`;
}
