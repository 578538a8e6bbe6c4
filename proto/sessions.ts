/**
 * IDs of sessions: 16 bytes, the first 8 the session's start in milliseconds since the Unix epoch (big
 * endian), the others random. Nodes forget old sessions by their start: an unknown session that began before what a shard has
 * forgotten is answered SESSION_ENDED, never taken for a new one.
 */

/** Length of a session's ID. */
export const SESSION_BYTES = 16;
/** Of that, the start. */
export const SESSION_START_BYTES = 8;

/** The ID of a session that starts at `startMs`; `random` fills the rest, and must be unpredictable. */
export function sessionId(startMs: number, random: (bytes: Uint8Array) => void): Uint8Array {
  const id = new Uint8Array(SESSION_BYTES);
  new DataView(id.buffer).setBigUint64(0, BigInt(Math.floor(startMs)));
  random(id.subarray(SESSION_START_BYTES));
  return id;
}

/** When a session started; undefined: this is no ID of a session. What no clock can mean counts as the end of time. */
export function sessionStartMs(id: Uint8Array): number | undefined {
  if (id.length !== SESSION_BYTES) return undefined;
  const startMs = new DataView(id.buffer, id.byteOffset).getBigUint64(0);
  return startMs > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(startMs);
}
