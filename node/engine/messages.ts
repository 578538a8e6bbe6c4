/**
 * The texts that WebAssembly answers with. Modules have no static data (a second instantiation would
 * reset it), so `createArena` writes them into the arena once and `build.ts` gives their places to the
 * compiler.
 */
export const messages = {
  WRONG_ARITY: "-ERR wrong number of arguments for '",
  COMMAND_END: "' command\r\n",
  SYNTAX: '-ERR syntax error\r\n',
  NOT_AN_INTEGER: '-ERR value is not an integer or out of range\r\n',
  OVERFLOW: '-ERR increment or decrement would overflow\r\n',
  DECREMENT_OVERFLOW: '-ERR decrement would overflow\r\n',
  INVALID_EXPIRE: "-ERR invalid expire time in '",
  STRING_TOO_LONG: '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n',
  KEY_TOO_LONG: '-ERR key exceeds the maximum allowed size\r\n',
  VALUE_TOO_LONG: '-ERR value exceeds the maximum allowed size\r\n',
  OUT_OF_MEMORY: "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
  NO_REPLICAS: '-NOREPLICAS Not enough good replicas to write.\r\n',
  CROSS_SLOT: "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
  MOVED: '-MOVED ',
  CLUSTER_DOWN: '-CLUSTERDOWN Hash slot not served\r\n',
  UNSUPPORTED_OPTION: '-ERR Unsupported option ',
  NX_AND_OTHERS: '-ERR NX and XX, GT or LT options at the same time are not compatible\r\n',
  GT_AND_LT: '-ERR GT and LT options at the same time are not compatible\r\n',
  INVALID_BULK: '-ERR Protocol error: invalid bulk length\r\n',
  INVALID_MULTIBULK: '-ERR Protocol error: invalid multibulk length\r\n',
  EXPECTED_DOLLAR: "-ERR Protocol error: expected '$', got '",
  QUOTE_END: "'\r\n",
  TOO_BIG_INLINE: '-ERR Protocol error: too big inline request\r\n',
  TOO_BIG_MULTIBULK: '-ERR Protocol error: too big mbulk count string\r\n',
  TOO_BIG_BULK: '-ERR Protocol error: too big bulk count string\r\n',
  UNBALANCED: '-ERR Protocol error: unbalanced quotes in request\r\n',
  PONG: '+PONG\r\n',
  TYPE_STRING: '+string\r\n',
  TYPE_NONE: '+none\r\n',
} as const;

export type MessageName = keyof typeof messages;

/** Places of the messages from the start of the text area, in the table's order. */
export function messagePlaces(): readonly { name: MessageName; offset: number; text: string }[] {
  let offset = 0;
  return (Object.keys(messages) as MessageName[]).map((name) => {
    const place = { name, offset, text: messages[name] };
    offset += messages[name].length;
    return place;
  });
}
