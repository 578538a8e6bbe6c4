/**
 * Every bound of the engine: unit in the name, reason beside it, relations asserted at import.
 * `build.ts` hands those that WebAssembly needs to the compiler, so there is one place to change.
 */
export const engineLimits = {
  /** Data threads; each has a cache line to announce itself and an entry in each shard's drain list. */
  threadsMax: 64,
  /** Shards of a cluster. Larger: more fixed memory for control blocks. */
  shardsMax: 1024,
  /** WebAssembly's address space less one page, so that an end address still fits 32 bits. */
  pagesMax: 65_535,
  pageBytes: 65_536,
  /** A chunk of commands: twice what one read of a socket returns, so that a rest and a read fit. */
  inputWindowBytes: 262_144,
  /** What one read section copies out at most; the design's bound of 256 KiB. */
  outputWindowBytes: 262_144,
  /** Room behind the window for copies in steps of 16 bytes and for a reply's frame. */
  outputSlackBytes: 4096,
  /** A value up to this length is copied into the output window, a longer one is pinned. */
  copiedValueBytesMax: 65_536,
  /** Longest value that lives inside its record; a longer one keeps length, prefix and pointer. */
  inlineValueBytesMax: 255,
  /** Redis' bound for an inline command and for a header line. */
  lineBytesMax: 65_536,
  /** Redis' bound for the arguments of one command. */
  argumentsMax: 1_048_576,
  /** Arguments that a thread keeps without asking the allocator. */
  argumentsInlineMax: 1024,
  /** Writes of one publication; more are published in between. Larger: longer sections and more garbage. */
  batchEntriesMax: 4096,
  /** Replaced records waiting for a publication; more are published at once. */
  batchGarbageBytesMax: 1_048_576,
  /**
   * Content of a gathered batch, and one publication of one call more. Larger: longer on the way to the
   * followers, and more that they apply at once; smaller: more rounds for the same writes.
   */
  batchContentBytesMax: 8_388_608,
  /** What a thread hands over between JavaScript and WebAssembly at once of batches and snapshots; holds the longest key. */
  exchangeWindowBytes: 262_144,
  /** Up to this length a loop copies faster than a call that needs a view. */
  loopCopyBytesMax: 128,
  /** A value up to this length goes through that window, a longer one is copied from and to where it lies. */
  exchangedValueBytesMax: 16_384,
  /** Groups of 16 slots of the largest table: 1,008 slots, 882 of them used at most. */
  tableGroupsMax: 63,
  /** Leading bits of the hash that choose a table; beyond it a table chains. */
  directoryDepthMax: 20,
  /** Expired records that readers may report to a home thread before it looks. */
  expiryRingEntries: 1024,
  /** host:port of a redirect. */
  redirectBytesMax: 264,
  /** Turns of a spin before a thread waits; about 10 µs. */
  spinTurns: 2000,
  /** Longest wait of a thread inside one call, nanoseconds: a blocked event loop stops heartbeats. */
  waitNanosecondsMax: 1_000_000,
} as const;

/** A broken relation stops the process at import, where it is cheapest. */
function assertRelation(holds: boolean, what: string): void {
  if (!holds) throw new Error(`engine limits: ${what}`);
}
const limits = engineLimits;
assertRelation(limits.tableGroupsMax * 16 <= 1024, 'a table has at most 1,024 slots');
assertRelation(
  limits.copiedValueBytesMax + 64 <= limits.outputWindowBytes,
  'a copied value fits into an empty output window',
);
assertRelation(limits.inlineValueBytesMax <= 255, 'the length of an inline value is one byte');
assertRelation(
  limits.lineBytesMax <= limits.inputWindowBytes,
  'a whole header line fits into the input window',
);
// A cursor is the leading 52 bits of a hash: depth and 32 bits that choose the group.
assertRelation(limits.directoryDepthMax + 32 <= 52, 'a scan cursor has at most 52 bits');
assertRelation(
  limits.exchangedValueBytesMax + 65_536 + 4096 <= limits.exchangeWindowBytes,
  'the longest key and a value that is not long fit into the exchange window',
);
assertRelation(limits.waitNanosecondsMax <= 1_000_000, 'a thread waits at most 1 ms');
