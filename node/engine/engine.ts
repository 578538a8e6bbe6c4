/**
 * The storage engine: `createArena` once in a process, `attachEngine` in each of its threads.
 *
 *   const arena = createArena(options);          // main thread
 *   new Worker(file, { workerData: { arena } }); // memory, module and options are cloneable
 *   const engine = attachEngine(arena, 0);       // data thread 0; the main thread attaches as `threads`
 */

import { commands } from './commands.ts';
import { commandNameBytes, commandNamesOffset, letters } from './constants.ts';
import { EngineError } from './errors.ts';
import { instantiate } from './exports.ts';
import { WasmEngine } from './instance.ts';
import { engineLimits } from './limits.ts';
import { loadEngineModule } from './load.ts';
import { messagePlaces } from './messages.ts';
import type { Arena, ArenaOptions } from './types.ts';

/** Where the text area starts (assembly/layout.ts). */
const textsAddress = 16_384;

function requireBetween(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new EngineError(
    'INVALID_OPTIONS',
    `arena option ${name} is ${value}: an integer from ${least} to ${most} is right`,
  );
}

function checkOptions(options: ArenaOptions): void {
  const { pagesMax, pageBytes, threadsMax, shardsMax } = engineLimits;
  requireBetween('reservedBytes', options.reservedBytes, pageBytes, pagesMax * pageBytes);
  requireBetween('budgetBytes', options.budgetBytes, pageBytes, options.reservedBytes);
  requireBetween('threads', options.threads, 1, threadsMax);
  requireBetween('shards', options.shards, 1, shardsMax);
  requireBetween('keyBytesMax', options.keyBytesMax, 1, 65_536);
  requireBetween('valueBytesMax', options.valueBytesMax, 1, 67_108_864);
}

/**
 * Makes an arena. Throws `EngineError`: INVALID_OPTIONS, MODULE_MISSING, OUT_OF_MEMORY.
 * `module`: an engine compiled elsewhere, or where `engine.wasm` lies.
 */
export function createArena(
  options: ArenaOptions,
  module: WebAssembly.Module | string | URL | undefined = undefined,
): Arena {
  checkOptions(options);
  const compiled = module instanceof WebAssembly.Module ? module : loadEngineModule(module);
  const pages = Math.floor(options.reservedBytes / engineLimits.pageBytes);
  const memory = reserve(pages);
  const exports = instantiate(compiled, memory);
  const reservedBytes = pages * engineLimits.pageBytes;
  const fixed = exports.fixedBytes(reservedBytes, options.threads);
  if (fixed + engineLimits.pageBytes > reservedBytes) {
    throw new EngineError(
      'INVALID_OPTIONS',
      `arena option reservedBytes is ${reservedBytes}: with ${options.threads} threads more than ${fixed} is right`,
    );
  }
  exports.setUp(
    reservedBytes,
    options.budgetBytes,
    options.threads,
    options.shards,
    options.keyBytesMax,
    options.valueBytesMax,
    BigInt.asIntN(64, options.hashSeed),
  );
  writeTexts(memory);
  commands.forEach((command, index) => {
    const low = letters(command.name);
    const high = letters(command.name.slice(8));
    exports.defineCommand(index, low, high, command.arity, command.runs === 'engine' ? 1 : 0);
  });
  exports.markReady();
  return { memory, module: compiled, options };
}

/** The whole range at once: pages that nothing touches cost no memory. */
function reserve(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new EngineError(
      'OUT_OF_MEMORY',
      `the system does not reserve ${pages * engineLimits.pageBytes} bytes of address space`,
      { cause: error },
    );
  }
}

function writeTexts(memory: WebAssembly.Memory): void {
  const bytes = new Uint8Array(memory.buffer);
  const encoder = new TextEncoder();
  for (const { offset, text } of messagePlaces()) {
    bytes.set(encoder.encode(text), textsAddress + offset);
  }
  commands.forEach((command, index) => {
    const at = textsAddress + commandNamesOffset() + index * commandNameBytes;
    bytes[at] = command.name.length;
    bytes.set(encoder.encode(command.name.toLowerCase()), at + 1);
  });
}

/** This thread's engine. `thread`: 0..threads-1 for data threads, `threads` for the main thread. */
export function attachEngine(arena: Arena, thread: number): WasmEngine {
  requireBetween('thread', thread, 0, arena.options.threads);
  return new WasmEngine(arena, thread);
}
