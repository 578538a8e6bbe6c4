export const limits = {
  /** One read of a socket, as in Node.js' own streams. Larger: pipelines come in fewer, longer chunks. */
  inputBytes: 64 * 1024,
} as const;
