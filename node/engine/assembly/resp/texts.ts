/** Where the fixed texts lie (messages.ts is their source; `createArena` writes them). */
import { TEXTS } from '../layout';

// @ts-ignore: decorator
@inline
export function textAt(offset: u32): usize {
  return TEXTS + offset;
}
