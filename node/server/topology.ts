import type { Topology } from '../agent/types.ts';
import type { TopologySource } from './context.ts';

/** The newest topology that a thread was told. */
export class TopologyHolder implements TopologySource {
  readonly #listeners = new Set<() => void>();
  #current: Topology | undefined;

  current(): Topology | undefined {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Older ones are ignored: messages between threads keep their order, but two sources may not. */
  set(topology: Topology): void {
    if (this.#current !== undefined && topology.version <= this.#current.version) {
      return;
    }
    this.#current = topology;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
