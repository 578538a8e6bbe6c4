export const limits = {
  /** One read of a socket, as in Node.js' own streams. Larger: pipelines come in fewer, longer chunks. */
  inputBytes: 64 * 1024,
  /** Reads shorter than this share their views of it. Larger: a hundred bytes more for each length, in each thread. */
  inputViewsMax: 512,
} as const;
