/** `host:port` as people write it. */
import type { Address } from '@r-db/proto/generated/rdb/v1/common.ts';

export const GRPC_PORT = 7379;

/** Undefined: no address. A missing port is 7379; IPv6 addresses with a port stand in brackets. */
export function parseAddress(text: string): Address | undefined {
  const bracketed = /^\[([0-9a-fA-F:.%]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = /^([^\s:/[\]]+)(?::(\d{1,5}))?$/.exec(text);
  const bare = /^[0-9a-fA-F:]*::?[0-9a-fA-F:.]*$/.test(text) && text.split(':').length > 2;
  const host = bracketed?.[1] ?? plain?.[1] ?? (bare ? text : undefined);
  const port = Number(bracketed?.[2] ?? plain?.[2] ?? GRPC_PORT);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/** `host:port`, an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
