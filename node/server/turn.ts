/**
 * What a thread does once in a turn of the event loop, after its sockets were read, in this order: commands whose shard is
 * free again run, then those that came; then what they wrote goes off to the followers, and replies leave. One task of the
 * event loop does it all: with one for each, what a phase leaves to the next would wait for another turn.
 */
const phases = ['wake', 'run', 'replicate', 'reply'] as const;
export type Phase = (typeof phases)[number];

export class Turn {
  readonly #tasks: (() => void)[] = phases.map(() => () => undefined);
  readonly #due = phases.map(() => false);
  #scheduled = false;
  /** The phase that runs; those behind it are still to come. */
  #at: number = phases.length;
  readonly #end = (): void => {
    this.#scheduled = false;
    for (this.#at = 0; this.#at < phases.length; this.#at++) {
      if (this.#due[this.#at] !== true) continue;
      this.#due[this.#at] = false;
      this.#tasks[this.#at]?.();
    }
  };

  /** The task of a phase; the function returned asks for it, as often as one likes. */
  on(phase: Phase, task: () => void): () => void {
    const index = phases.indexOf(phase);
    this.#tasks[index] = task;
    return () => {
      this.#due[index] = true;
      if (this.#scheduled || index > this.#at) return;
      this.#scheduled = true;
      setImmediate(this.#end);
    };
  }
}
