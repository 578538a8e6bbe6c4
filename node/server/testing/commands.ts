/** Tables of commands and their exact replies, run against a server of their own. */
import { RawClient } from './raw-client.ts';
import { type Served, type ServeOptions, serve } from './serve.ts';

/** Words separated by spaces, or an array of them; the reply with its line ends. */
export type Row = readonly [command: string | readonly string[], reply: string];

export async function expectReplies(
  rows: readonly Row[],
  options: ServeOptions = {},
): Promise<void> {
  await withClient(async (client) => {
    for (const [command, reply] of rows) {
      await client.expect(typeof command === 'string' ? command.split(' ') : command, reply);
    }
  }, options);
}

export async function withClient(
  test: (client: RawClient, served: Served) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  await using served = await serve(options);
  await using client = await RawClient.connect(served.port);
  await test(client, served);
}

/** Any reply, as a value: bulk strings and text as string, maps as Map, errors as Error. */
export async function readReply(client: RawClient): Promise<unknown> {
  const line = await client.line();
  const rest = line.slice(1);
  const elements = async (count: number): Promise<unknown[]> => {
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) values.push(await readReply(client));
    return values;
  };
  switch (line[0]) {
    case '+':
      return rest;
    case '-':
      return new Error(rest);
    case ':':
      return Number(rest);
    case '_':
      return null;
    case '$':
      return rest === '-1' ? null : (await client.read(Number(rest) + 2)).slice(0, -2);
    case '=':
      return (await client.read(Number(rest) + 2)).slice(4, -2);
    case '*':
      return rest === '-1' ? null : await elements(Number(rest));
    case '~':
      return new Set(await elements(Number(rest)));
    case '%': {
      const flat = await elements(Number(rest) * 2);
      return new Map(flat.flatMap((key, index) => (index % 2 ? [] : [[key, flat[index + 1]]])));
    }
    default:
      throw new Error(`not a reply: ${line}`);
  }
}

export async function ask(client: RawClient, ...words: readonly string[]): Promise<unknown> {
  client.command(...words);
  return await readReply(client);
}
