/** Builds of the engine that tests share. */
import { variantModule } from '../build.ts';

/** Small tables, few bits of directory and no inline values: what is rare in the released build. */
export function narrowModule(): Promise<WebAssembly.Module> {
  const limits = { inlineValueBytesMax: 0, tableGroupsMax: 1, directoryDepthMax: 3 };
  return variantModule('narrow', { limits, poisonFreed: true });
}

/** Freed memory is filled, so that a late reader does not find it unchanged by luck. */
export function poisonModule(): Promise<WebAssembly.Module> {
  return variantModule('poison', { poisonFreed: true });
}

/** Breaks rules on order; readers lose their processor while they hold a record. */
export function breakableModule(): Promise<WebAssembly.Module> {
  return variantModule('breakable', { breakable: true, poisonFreed: true, pauseReaders: true });
}
