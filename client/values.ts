/** Keys and values as callers give and get them. */

/** A string stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What a key holds. */
export class Value {
  readonly bytes: Uint8Array;
  /** Changes with each write of the key. Opaque: for `ifVersion`, or to compare for equality. */
  readonly version: string;
  /** When the key expires, in milliseconds since the Unix epoch. */
  readonly expireAtMs: number | undefined;

  constructor(bytes: Uint8Array, version: string, expireAtMs: number | undefined) {
    this.bytes = bytes;
    this.version = version;
    this.expireAtMs = expireAtMs;
  }

  /** The bytes as UTF-8; what is none becomes U+FFFD. */
  get text(): string {
    return decoder.decode(this.bytes);
  }

  toString(): string {
    return this.text;
  }
}

export function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === 'string' ? encoder.encode(bytes) : bytes;
}

export function versionToText(version: Uint8Array): string {
  return Buffer.from(version.buffer, version.byteOffset, version.byteLength).toString('base64url');
}

export function versionToBytes(version: string): Uint8Array {
  return Buffer.from(version, 'base64url');
}

/**
 * Bytes decoded from a message are a view of it. A small part would keep the whole in memory, so it is copied.
 */
export function owned(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes;
}
