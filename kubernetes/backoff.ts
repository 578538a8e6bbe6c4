/** How long to wait before the next attempt: doubling, with jitter, told when all is well again. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly lastMs: number;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait after one more failure: between half of the step and all of it. */
  nextMs(): number {
    const { firstMs, lastMs, random } = this.#options;
    const stepMs = Math.min(lastMs, firstMs * 2 ** Math.min(this.#failures++, 30));
    return stepMs * (0.5 + random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
