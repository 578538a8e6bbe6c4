/** How two nodes introduce themselves, and why one refuses the other. */

import {
  type PeerHello,
  type PeerRefusal,
  PeerRefusalReason,
} from '@r-db/proto/generated/rdb/v1/peer.ts';
import { limits } from './limits.ts';

/** What a node says of itself to every peer. */
export interface PeerIdentity {
  readonly clusterId: string;
  /** Pod name, `demo-0`. */
  readonly node: string;
  /** This start of its process, without the node's name. */
  readonly incarnation: string;
  readonly shards: number;
  /** Tells whether two nodes have the same hash seed, and not the seed. */
  readonly hashSeedCheck: bigint;
  readonly version: string;
}

/** `to`: whom this node means to reach; empty where it does not know who calls. */
export function helloOf(self: PeerIdentity, to: string): PeerHello {
  return {
    protocol: limits.protocol,
    protocolMin: limits.protocolMin,
    clusterId: self.clusterId,
    node: self.node,
    incarnation: self.incarnation,
    to,
    shardsTotal: self.shards,
    hashSeedCheck: self.hashSeedCheck,
    version: self.version,
  };
}

/** Why a peer's hello is not accepted; undefined: it is. `expected`: whom this node dialed, if it did. */
export function refusalOf(
  self: PeerIdentity,
  hello: PeerHello,
  expected: string | undefined,
): PeerRefusal | undefined {
  const no = (reason: PeerRefusalReason, message: string): PeerRefusal => ({ reason, message });
  if (hello.protocol < limits.protocolMin || hello.protocolMin > limits.protocol) {
    return no(
      PeerRefusalReason.PROTOCOL,
      `${hello.node} speaks versions ${hello.protocolMin} to ${hello.protocol} of the peers' protocol, ${self.node} ${limits.protocolMin} to ${limits.protocol}`,
    );
  }
  if (hello.clusterId !== self.clusterId) {
    return no(
      PeerRefusalReason.CLUSTER,
      `${hello.node} is of the cluster ${hello.clusterId}, ${self.node} of ${self.clusterId}`,
    );
  }
  if (!namePattern.test(hello.node) || !incarnationPattern.test(hello.incarnation)) {
    return no(
      PeerRefusalReason.BROKEN,
      `"${hello.node}/${hello.incarnation}" is no node and incarnation`,
    );
  }
  if (hello.to !== '' && hello.to !== self.node) {
    return no(PeerRefusalReason.NODE, `this is ${self.node}, not ${hello.to}`);
  }
  if ((expected !== undefined && hello.node !== expected) || hello.node === self.node) {
    return no(PeerRefusalReason.NODE, `${hello.node} answers where ${expected} was expected`);
  }
  if (hello.shardsTotal !== self.shards) {
    return no(
      PeerRefusalReason.SHAPE,
      `${hello.node} has ${hello.shardsTotal} shards, ${self.node} ${self.shards}`,
    );
  }
  if (hello.hashSeedCheck !== self.hashSeedCheck) {
    return no(PeerRefusalReason.SHAPE, `${hello.node} has another hash seed than ${self.node}`);
  }
  return undefined;
}

const namePattern = /^[a-z0-9][a-z0-9-]{0,61}-\d{1,5}$/;
const incarnationPattern = /^[0-9a-z]{1,64}$/;
