/** Bounds of a node's settings. Each says why it is where it is. */

export const mebibyte = 1024 * 1024;

export const limits = {
  /** Below this, what a process of Node.js needs for itself leaves no room worth having for data. */
  memoryLimitBytesMin: 512 * mebibyte,
  /** The process without data: code, heaps of the main thread, the agent's caches. */
  processBytes: 160 * mebibyte,
  /** A data thread: its own heap, its windows, gRPC's code a second time. */
  threadBytes: 40 * mebibyte,
  /** Log lines and replies under way, whatever the number of connections. */
  sendBufferBytes: 32 * mebibyte,
  /** An idle connection: its objects in the heap, a begun command and what the kernel keeps for it. */
  connectionBytes: 6 * 1024,
  /** One arena for each node: 65,535 pages of 64 KiB, the most that WebAssembly's 32 bits can name. */
  arenaBytesMax: 65_535 * 65_536,
  /** Windows, control blocks and statistics: address space beside the budget. */
  arenaOverheadBytes: 64 * mebibyte,
  threadsMax: 64,
  shardsMax: 1024,
  connectionsMax: 1_000_000,
  /** Also bounds what one request may make the engine copy at once. */
  keyBytesMax: 64 * 1024,
  valueBytesMax: 64 * mebibyte,
  /** Shorter promises are lost to a pause of the garbage collector or of the host. */
  promiseMillisecondsMin: 100,
  /** Longer ones make a failover longer than any client waits. */
  promiseMillisecondsMax: 60_000,
  /** kubelet's own maximum is far higher; a day is surely a mistake. */
  shutdownGraceSecondsMax: 86_400,
  /** A file of the configuration directory holds one value. */
  configurationFileBytesMax: 4096,
  configurationFilesMax: 256,
  /** Changes of a mounted ConfigMap come as several events: wait until they are over. */
  reloadDebounceMilliseconds: 50,
  /** Where no file event comes (some network file systems) a change is seen after this time. */
  reloadPollMilliseconds: 30_000,
} as const;

if (
  limits.memoryLimitBytesMin <=
  limits.processBytes + limits.threadBytes + limits.sendBufferBytes
) {
  throw new Error('limits: the smallest memory limit leaves nothing for data');
}
