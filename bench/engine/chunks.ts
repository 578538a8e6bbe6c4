/** Chunks of pipelined commands as a socket would bring them, and the replies that are right. */

export type EngineOperation = 'get' | 'get missing' | 'set' | 'incr' | 'ping';

export interface Chunk {
  readonly bytes: Buffer;
  readonly commands: number;
  /** What the engine must answer, byte by byte; undefined: only that it is no error is known. */
  readonly reply: Buffer | undefined;
}

export interface ChunkOptions {
  readonly operation: EngineOperation;
  /** Commands of a chunk. */
  readonly depth: number;
  readonly valueBytes: number;
  /** Number of the key of the n-th command. */
  readonly key: (index: number) => number;
}

/** The chunk whose first command is the `first`-th of the run. */
export function makeChunk(first: number, options: ChunkOptions): Chunk {
  const { operation, depth, valueBytes } = options;
  const commands: string[] = [];
  const replies: string[] = [];
  for (let index = first; index < first + depth; index++) {
    const key = keyText(options.key(index));
    const value = valueText(options.key(index), valueBytes);
    switch (operation) {
      case 'get':
        commands.push(encode('GET', key));
        replies.push(`$${value.length}\r\n${value}\r\n`);
        break;
      case 'get missing':
        commands.push(encode('GET', `no:${key.slice(3)}`));
        replies.push('$-1\r\n');
        break;
      case 'set':
        commands.push(encode('SET', key, value));
        replies.push('+OK\r\n');
        break;
      case 'incr':
        commands.push(encode('INCR', `n:${key.slice(2)}`));
        break;
      case 'ping':
        commands.push(encode('PING'));
        replies.push('+PONG\r\n');
        break;
    }
  }
  return {
    bytes: Buffer.from(commands.join(''), 'latin1'),
    commands: depth,
    reply: replies.length === 0 ? undefined : Buffer.from(replies.join(''), 'latin1'),
  };
}

function encode(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

function keyText(number: number): string {
  return `key:${String(number).padStart(12, '0')}`;
}

function valueText(number: number, bytes: number): string {
  return `v${String(number).padStart(11, '0')}`.padEnd(bytes, 'abcdefgh').slice(0, bytes);
}
