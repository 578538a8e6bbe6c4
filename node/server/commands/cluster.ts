import { keyToSlot } from '@r-db/proto/slots.ts';
import type { Topology, TopologyNode } from '../../agent/types.ts';
import type { Reply } from '../reply.ts';
import { describeNode, epochOf, ledRanges, nodesWithSlots, slotsLed } from './cluster-layout.ts';
import { type Call, container, parseInteger, type Subcommand } from './command.ts';
import { keysInSlot } from './slot-keys.ts';

const notAnInteger = 'ERR value is not an integer or out of range';

const slots: Subcommand = {
  name: 'SLOTS',
  arity: 2,
  usage: '',
  help: ['Return information about slots range mappings: first, last, leader, followers.'],
  run: (call) => {
    withTopology(call, (topology) => {
      const ranges = ledRanges(topology);
      call.reply.array(ranges.length);
      for (const range of ranges) {
        const nodes = [range.leader, ...range.followers];
        call.reply.array(2 + nodes.length);
        call.reply.integer(range.firstSlot);
        call.reply.integer(range.lastSlot);
        for (const node of nodes) {
          call.reply.array(4);
          call.reply.bulk(node.addresses?.resp.host ?? '');
          call.reply.integer(node.addresses?.resp.port ?? 0);
          call.reply.bulk(node.id);
          call.reply.array(0);
        }
      }
    });
  },
};

const shards: Subcommand = {
  name: 'SHARDS',
  arity: 2,
  usage: '',
  help: ['Return information about slot range mappings and the nodes associated with them.'],
  run: (call) => {
    withTopology(call, (topology) => {
      // One entry for each leader and set of followers, as Redis groups slots by the nodes that have them.
      const groups = Map.groupBy(ledRanges(topology), ({ leader, followers }) =>
        [leader, ...followers].map((node) => node.id).join(),
      );
      call.reply.array(groups.size);
      for (const ranges of groups.values()) {
        call.reply.map(2);
        call.reply.bulk('slots');
        call.reply.array(ranges.length * 2);
        for (const range of ranges) {
          call.reply.integer(range.firstSlot);
          call.reply.integer(range.lastSlot);
        }
        const nodes = ranges[0] === undefined ? [] : [ranges[0].leader, ...ranges[0].followers];
        call.reply.bulk('nodes');
        call.reply.array(nodes.length);
        nodes.forEach((node, index) => {
          writeShardNode(call.reply, node, index === 0 ? 'master' : 'replica');
        });
      }
    });
  },
};

function writeShardNode(reply: Reply, node: TopologyNode, role: string): void {
  const host = node.addresses?.resp.host ?? '';
  reply.map(7);
  reply.bulk('id');
  reply.bulk(node.id);
  reply.bulk('port');
  reply.integer(node.addresses?.resp.port ?? 0);
  reply.bulk('ip');
  reply.bulk(host);
  reply.bulk('endpoint');
  reply.bulk(host);
  reply.bulk('role');
  reply.bulk(role);
  reply.bulk('replication-offset');
  reply.integer(0);
  reply.bulk('health');
  reply.bulk(node.incarnation === undefined ? 'fail' : 'online');
}

const nodes: Subcommand = {
  name: 'NODES',
  arity: 2,
  usage: '',
  help: [
    'Return cluster configuration seen by node. Output format:',
    '<id> <ip:port@cport> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...',
  ],
  run: (call) => {
    withTopology(call, (topology) => {
      const lines = nodesWithSlots(topology).map(({ node, slots: led }) =>
        describeNode(node, led, {
          self: node.name === call.services.identity.node,
          epoch: epochOf(topology, node.name),
        }),
      );
      call.reply.verbatim(lines.map((line) => `${line}\n`).join(''));
    });
  },
};

const info: Subcommand = {
  name: 'INFO',
  arity: 2,
  usage: '',
  help: ['Return information about the cluster.'],
  run: (call) => {
    const topology = call.services.topology.current();
    const led = topology === undefined ? 0 : slotsLed(topology);
    const known = topology?.nodes.filter((node) => node.addresses !== undefined) ?? [];
    const leaders = new Set(topology?.shards.flatMap((shard) => shard.leader ?? []));
    const epoch = topology?.shards.reduce((highest, shard) => Math.max(highest, shard.epoch), 0);
    const fields: readonly [string, string | number][] = [
      ['cluster_state', led === 16_384 ? 'ok' : 'fail'],
      ['cluster_slots_assigned', led],
      ['cluster_slots_ok', led],
      ['cluster_slots_pfail', 0],
      ['cluster_slots_fail', 16_384 - led],
      ['cluster_known_nodes', known.length],
      ['cluster_size', leaders.size],
      ['cluster_current_epoch', epoch ?? 0],
      [
        'cluster_my_epoch',
        topology === undefined ? 0 : epochOf(topology, call.services.identity.node),
      ],
    ];
    call.reply.verbatim(fields.map(([name, value]) => `${name}:${value}\r\n`).join(''));
  },
};

const myId: Subcommand = {
  name: 'MYID',
  arity: 2,
  usage: '',
  help: ['Return the node id.'],
  run: (call) => {
    withTopology(call, (topology) => {
      const own = topology.nodes.find((node) => node.name === call.services.identity.node);
      if (own === undefined) {
        call.reply.error('CLUSTERDOWN this node has not found its own Lease yet');
      } else {
        call.reply.bulk(own.id);
      }
    });
  },
};

const keySlot: Subcommand = {
  name: 'KEYSLOT',
  arity: 3,
  usage: '<key>',
  help: ['Return the hash slot for <key>.'],
  run: ({ arguments: given, reply }) => reply.integer(keyToSlot(given[2] ?? Buffer.alloc(0))),
};

const countKeysInSlot: Subcommand = {
  name: 'COUNTKEYSINSLOT',
  arity: 3,
  usage: '<slot>',
  help: ['Return the number of keys in <slot>.'],
  run: async (call) => {
    const slot = parseSlot(call, 'ERR Invalid slot');
    if (slot !== undefined) {
      let count = 0;
      await keysInSlot(call.services, slot, () => {
        count++;
        return true;
      });
      call.reply.integer(count);
    }
  },
};

const getKeysInSlot: Subcommand = {
  name: 'GETKEYSINSLOT',
  arity: 4,
  usage: '<slot> <count>',
  help: ['Return key names stored by current node in a slot.'],
  run: async (call) => {
    const countMax = parseInteger(call.arguments[3]);
    if (countMax === undefined) {
      return call.reply.error(notAnInteger);
    }
    const slot = parseSlot(call, 'ERR Invalid slot or number of keys');
    if (slot === undefined) {
      return;
    }
    if (countMax < 0) {
      return call.reply.error('ERR Invalid slot or number of keys');
    }
    const keys: Uint8Array[] = [];
    await keysInSlot(call.services, slot, (key) => {
      if (keys.length < countMax) {
        keys.push(key);
      }
      return keys.length < countMax;
    });
    call.reply.bulks(keys);
  },
};

function parseSlot({ arguments: given, reply }: Call, outOfRange: string): number | undefined {
  const slot = parseInteger(given[2]);
  if (slot !== undefined && slot >= 0 && slot <= 16_383) {
    return slot;
  }
  reply.error(slot === undefined ? notAnInteger : outOfRange);
  return undefined;
}

function withTopology({ services, reply }: Call, write: (topology: Topology) => void): void {
  const topology = services.topology.current();
  if (topology === undefined) {
    reply.error('CLUSTERDOWN this node has not read the Leases of the cluster yet');
  } else {
    write(topology);
  }
}

export const cluster = container('CLUSTER', [
  slots,
  shards,
  nodes,
  info,
  myId,
  keySlot,
  countKeysInSlot,
  getKeysInSlot,
]);
