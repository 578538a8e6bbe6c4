/** Commands about the connection as a whole, with little to say. */
import type { ServerCommand } from './command.ts';

export const reset: ServerCommand = {
  name: 'RESET',
  arity: 1,
  run: ({ connection, reply }) => {
    connection.client.reset();
    connection.setReadOnly(false);
    connection.setProtocol(2);
    reply.simple('RESET');
  },
};

export const quit: ServerCommand = {
  name: 'QUIT',
  arity: -1,
  run: ({ connection, reply }) => {
    connection.client.quits = true;
    reply.ok();
  },
};

/** A cluster has one database. */
export const select: ServerCommand = {
  name: 'SELECT',
  arity: 2,
  run: ({ arguments: given, reply }) => {
    const text = given[1]?.toString('latin1') ?? '';
    if (!/^-?\d{1,18}$/.test(text)) {
      reply.error('ERR value is not an integer or out of range');
    } else if (Number(text) !== 0) {
      reply.error('ERR SELECT is not allowed in cluster mode');
    } else {
      reply.ok();
    }
  },
};

export const readOnly: ServerCommand = {
  name: 'READONLY',
  arity: 1,
  run: ({ connection, reply }) => {
    connection.setReadOnly(true);
    reply.ok();
  },
};

export const readWrite: ServerCommand = {
  name: 'READWRITE',
  arity: 1,
  run: ({ connection, reply }) => {
    connection.setReadOnly(false);
    reply.ok();
  },
};

/** Shards move whole and by a hand-over, so no slot is ever in between: there is nothing to ask for. */
export const asking: ServerCommand = {
  name: 'ASKING',
  arity: 1,
  run: ({ reply }) => reply.ok(),
};

export const time: ServerCommand = {
  name: 'TIME',
  arity: 1,
  run: ({ services, reply }) => {
    const nowMs = services.clock.nowMs();
    const fraction = services.clock.monotonicMs() % 1;
    reply.bulks([
      String(Math.floor(nowMs / 1000)),
      String((nowMs % 1000) * 1000 + Math.floor(fraction * 1000)),
    ]);
  },
};
