/** A channel over a MessagePort, between threads of one process. */
import type { MessagePort } from 'node:worker_threads';
import type { Channel, ChannelHandlers } from './channel-protocol.ts';
import { PORT_ACKNOWLEDGE_EVERY, PORT_UNACKNOWLEDGED_MAX } from './limits.ts';

type Frame = { readonly message: unknown } | { readonly acknowledged: number };

export function portChannel(port: MessagePort): Channel {
  return new PortChannel(port);
}

class PortChannel implements Channel {
  readonly #port: MessagePort;
  #unacknowledged = 0;
  #received = 0;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  get full(): boolean {
    return this.#unacknowledged >= PORT_UNACKNOWLEDGED_MAX;
  }

  open({ onMessage, onClose, onDrain }: ChannelHandlers): void {
    this.#port.on('message', (frame: Frame) => {
      if (this.#closed) return;
      if ('acknowledged' in frame) {
        const wasFull = this.full;
        this.#unacknowledged -= frame.acknowledged;
        if (wasFull && !this.full) onDrain();
        return;
      }
      this.#received++;
      if (this.#received === PORT_ACKNOWLEDGE_EVERY) {
        this.#port.postMessage({ acknowledged: this.#received });
        this.#received = 0;
      }
      onMessage(frame.message);
    });
    this.#port.on('close', () => {
      this.#closed = true;
      onClose(undefined);
    });
  }

  send(message: unknown): void {
    if (this.#closed) return;
    this.#unacknowledged++;
    this.#port.postMessage({ message });
  }

  close(): void {
    this.#port.close();
  }
}
