/** Bounds of the test cluster: unit in the name, the reason beside it. */

/** The API server answers `readyz` in about 4 s on two idle cores; a busy machine takes longer. */
export const apiServerReadyMs = 60_000;

/** Nodes Ready and CoreDNS up: about 5 s after the API server on two idle cores. */
export const nodesReadyMs = 60_000;

/** containerd opens its socket within a second. */
export const containerdReadyMs = 30_000;

/** A killed process is gone in milliseconds, unless the kernel is busy freeing its memory. */
export const processEndMs = 5_000;

/** How often a condition without an event to await is looked at. */
export const pollMs = 50;

/** One file of what a tool wrote that a caller may want whole; more is a runaway tool. */
export const outputBytesMax = 64 * 1024 * 1024;

/** A Unix socket's path holds 107 bytes; the longest below the state folder is kubelet's. */
export const stateFolderBytesMax = 60;

if (pollMs * 20 > processEndMs) throw new RangeError('pollMs is too coarse for processEndMs');
