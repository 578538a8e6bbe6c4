/**
 * What a WebAssembly module must not have if many threads instantiate it over one memory at any time:
 * mutable globals (each instance has its own) and data that instantiation writes (it would reset what
 * the others changed). A compiled engine is checked before it is written.
 */

/** Section numbers of the binary format. */
const globalSection = 6;
const startSection = 8;
const dataSection = 11;

class Reader {
  private readonly bytes: Uint8Array;
  position = 8;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get atEnd(): boolean {
    return this.position >= this.bytes.length;
  }
  byte(): number {
    return this.bytes[this.position++] ?? 0;
  }
  /** LEB128. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if ((byte & 128) === 0) return value;
    }
  }
}

/** Throws, naming what is wrong, unless the module keeps all of its state in the shared memory. */
export function assertModuleShape(module: Uint8Array): void {
  const reader = new Reader(module);
  while (!reader.atEnd) {
    const section = reader.byte();
    const end = reader.unsigned() + reader.position;
    if (section === dataSection && reader.unsigned() > 0) {
      throw new Error('the engine has static data: a late instantiation would reset it');
    }
    if (section === startSection) throw new Error('the engine has a start function');
    if (section === globalSection) {
      const globals = reader.unsigned();
      for (let index = 0; index < globals; index++) {
        reader.byte();
        if (reader.byte() === 1) throw new Error('the engine has a mutable global');
        // A constant expression: opcode, operand, end.
        while (reader.byte() !== 0x0b);
      }
    }
    reader.position = end;
  }
}
