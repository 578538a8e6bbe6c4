/** Lets so many requests out at a time; the others wait in the order in which they came. */
export class RequestGate {
  readonly #max: number;
  #out = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#out >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#out++;
    try {
      return await request();
    } finally {
      // The place is handed on, so that none who comes meanwhile takes it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#out--;
      else next();
    }
  }
}
