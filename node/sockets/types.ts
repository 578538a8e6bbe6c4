/**
 * A TCP connection as RESP clients and peers need it: bytes as they come, writes whose fate is known at once. It is less than
 * a stream, and that is the point: no buffers of its own, no objects for each chunk.
 */
export interface ByteSocket {
  /** Bytes written that the kernel has not taken yet. */
  readonly unsentBytes: number;
  readonly isPaused: boolean;
  /** Gone, or told to go. */
  readonly destroyed: boolean;
  /**
   * Sends bytes. True: the kernel has them all, and they may change. False: it reads the rest of them later; `sent` tells when
   * everything is with it. Without effect once the socket is destroyed (true) or ended.
   */
  write(bytes: Uint8Array): boolean;
  /** Reads nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** Closes this side once everything is sent; the peer may still send. */
  end(): void;
  /** Drops the connection, and what is not sent with it. */
  destroy(): void;
}

export interface SocketListener {
  /** The bytes are the listener's during the call only: the next ones stand in the same place. */
  received(bytes: Uint8Array): void;
  /** The kernel has taken all that a `write` had left behind. */
  sent(): void;
  /** The peer has closed its side. */
  ended(): void;
  /** Gone, once, and never within a call of the socket. The error of the operating system: nobody here has asked for it. */
  closed(error: NodeJS.ErrnoException | undefined): void;
}
