/** Bounds of the connections between nodes: unit in the name, reason beside it, relations asserted at import. */

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

export const limits = {
  /** Version of the protocol between nodes, and the lowest that this one still speaks. */
  protocol: 1,
  protocolMin: 1,
  /** Longest frame: an entry with the longest value (64 MiB) and the batch around it. Longer ones are broken. */
  frameBytesMax: 160 * mebibyte,
  /** What a turn has to send is cut into frames of about this size: the receiver works on while more comes. */
  frameBytesGoal: mebibyte,
  /** Buffer for entries that go to several peers; a longer message gets one of its own, for a turn. */
  encodedBytesKept: 64 * kibibyte,
  /** Room for a frame that comes in several chunks, kept for the next one: a part of a snapshot and what is around it. */
  frameRoomBytesKept: 512 * kibibyte,
  /** Longest hello: whoever speaks first is a stranger, and gets no more memory than this. */
  helloBytesMax: 4 * kibibyte,
  /** Connections that have not introduced themselves yet; more are closed at once. */
  strangersMax: 256,
  /** Milliseconds that a stranger has to introduce itself. */
  helloMs: 5_000,
  /**
   * Bytes that wait to be sent to one peer. The core has one message out for each shard and one cut for each
   * snapshot; a connection that nevertheless falls behind this far is given up, and begun again.
   */
  unsentBytesMax: 256 * mebibyte,
  /** Milliseconds between two tries to reach a node: the first, and the longest. */
  dialFirstMs: 20,
  dialMostMs: 500,
  /** Promises for which the node with the higher name waits before it dials too: the other one is faster. */
  secondDialerPromises: 0.1,
  /** Promises without a byte from a peer after which the connection is begun again: heartbeats come five a promise. */
  silencePromises: 1,
  /** Promises that a connection may take to come up. */
  connectPromises: 1,
} as const;

function relation(holds: boolean, what: string): void {
  if (!holds) throw new Error(`limits of peers: ${what}`);
}
relation(limits.frameBytesGoal < limits.frameBytesMax, 'a frame of the size aimed at is too long');
relation(limits.unsentBytesMax > limits.frameBytesMax, 'the longest frame can never be sent');
relation(limits.dialFirstMs <= limits.dialMostMs, 'the first wait exceeds the longest');
relation(limits.protocolMin <= limits.protocol, 'the lowest version is above the present one');
