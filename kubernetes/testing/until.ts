/** Resolves once the condition holds; lets the event loop turn in between. Gives up after 5 s. */
export async function until(condition: () => boolean, what = condition.toString()): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited 5 s in vain for ${what}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
