import type { Socket } from 'node:net';
import { HandleSocket } from './handle-socket.ts';
import { streamBinding, takeHandle } from './private-handle.ts';
import { StreamSocket } from './stream-socket.ts';
import type { ByteSocket, SocketListener } from './types.ts';

/** Which way to the kernel: `fastest` is the TCP handle where this Node.js has one as we know it. */
export type SocketKind = 'fastest' | 'stream';

/** Takes over a connected socket that is paused and has read nothing (`pauseOnConnect`), and reads. */
export function openSocket(
  socket: Socket,
  listener: SocketListener,
  kind: SocketKind = 'fastest',
): ByteSocket {
  if (kind === 'fastest' && streamBinding !== undefined) {
    const handle = takeHandle(socket);
    if (handle !== undefined) {
      // An empty shell now: its server forgets it.
      socket.destroy();
      return new HandleSocket(handle, streamBinding, listener);
    }
  }
  return new StreamSocket(socket, listener);
}
