/** What CLUSTER tells of nodes and slots, made from the topology: pure. */
import type { Topology, TopologyNode } from '../../agent/types.ts';

export interface LedRange {
  readonly firstSlot: number;
  readonly lastSlot: number;
  readonly leader: TopologyNode;
  readonly followers: readonly TopologyNode[];
}

/** Runs of slots with the same leader and followers, in order; slots without a leader are left out. */
export function ledRanges(topology: Topology): LedRange[] {
  const byName = new Map(topology.nodes.map((node) => [node.name, node]));
  const ranges: LedRange[] = [];
  for (const shard of topology.shards) {
    const leader = shard.leader === undefined ? undefined : byName.get(shard.leader);
    if (leader?.addresses === undefined) {
      continue;
    }
    const followers = shard.followers
      .map((name) => byName.get(name))
      .filter((node) => node?.addresses !== undefined) as TopologyNode[];
    const last = ranges.at(-1);
    const joins =
      last !== undefined &&
      last.leader === leader &&
      last.lastSlot + 1 === shard.firstSlot &&
      sameNodes(last.followers, followers);
    if (joins) {
      ranges[ranges.length - 1] = { ...last, lastSlot: shard.lastSlot };
    } else {
      ranges.push({ firstSlot: shard.firstSlot, lastSlot: shard.lastSlot, leader, followers });
    }
  }
  return ranges;
}

/** Nodes that are known, each with the runs of slots that it leads. */
export function nodesWithSlots(
  topology: Topology,
): { readonly node: TopologyNode; readonly slots: readonly (readonly [number, number])[] }[] {
  const slots = new Map<TopologyNode, [number, number][]>();
  for (const range of ledRanges(topology)) {
    const own = slots.get(range.leader) ?? [];
    const last = own.at(-1);
    if (last !== undefined && last[1] + 1 === range.firstSlot) {
      last[1] = range.lastSlot;
    } else {
      own.push([range.firstSlot, range.lastSlot]);
    }
    slots.set(range.leader, own);
  }
  return topology.nodes
    .filter((node) => node.addresses !== undefined)
    .map((node) => ({ node, slots: slots.get(node) ?? [] }));
}

export function slotsLed(topology: Topology): number {
  return topology.shards
    .filter((shard) => shard.leader !== undefined)
    .reduce((sum, shard) => sum + shard.lastSlot - shard.firstSlot + 1, 0);
}

/** One line of CLUSTER NODES: `<id> <host:port@cport> <flags> <master> <ping> <pong> <epoch> <link> <slots>`. */
export function describeNode(
  node: TopologyNode,
  slots: readonly (readonly [number, number])[],
  options: { readonly self: boolean; readonly epoch: number },
): string {
  const { resp, peer } = node.addresses ?? {};
  const host = resp?.host ?? '';
  const flags = options.self ? 'myself,master' : 'master';
  const ranges = slots.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const fields = [
    node.id,
    `${host}:${resp?.port ?? 0}@${peer?.port ?? 0}`,
    flags,
    '-',
    '0',
    '0',
    String(options.epoch),
    node.incarnation === undefined ? 'disconnected' : 'connected',
    ...ranges,
  ];
  return fields.join(' ');
}

/** The highest epoch of the shards that a node leads: what stands for Redis' configuration epoch. */
export function epochOf(topology: Topology, name: string): number {
  return topology.shards
    .filter((shard) => shard.leader === name)
    .reduce((highest, shard) => Math.max(highest, shard.epoch), 0);
}

function sameNodes(left: readonly TopologyNode[], right: readonly TopologyNode[]): boolean {
  return left.length === right.length && left.every((node, index) => node === right[index]);
}
