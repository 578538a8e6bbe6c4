/**
 * IDs of sessions: 16 bytes, the first 6 the session's start in milliseconds since the Unix epoch (big
 * endian), the others random. Nodes forget old sessions by their start: an unknown session that began before what a shard has
 * forgotten is answered SESSION_ENDED, never taken for a new one.
 */

/** Length of a session's ID. */
export const SESSION_BYTES = 16;
/** Of that, the start. */
export const SESSION_START_BYTES = 6;
/** The last start that fits. */
const START_MS_MAX = 2 ** (8 * SESSION_START_BYTES) - 1;

/** The ID of a session that starts at `startMs`; `random` fills the rest, and must be unpredictable. */
export function sessionId(startMs: number, random: (bytes: Uint8Array) => void): Uint8Array {
  const id = new Uint8Array(SESSION_BYTES);
  const start = Math.min(START_MS_MAX, Math.max(0, Math.floor(startMs)));
  Buffer.from(id.buffer).writeUIntBE(start, 0, SESSION_START_BYTES);
  random(id.subarray(SESSION_START_BYTES));
  return id;
}

/** When a session started; undefined: this is no ID of a session. */
export function sessionStartMs(id: Uint8Array): number | undefined {
  if (id.length !== SESSION_BYTES) return undefined;
  return Buffer.from(id.buffer, id.byteOffset).readUIntBE(0, SESSION_START_BYTES);
}
