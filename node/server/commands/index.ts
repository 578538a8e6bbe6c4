/** Every command that runs in JavaScript, by name. */
import { client } from './client.ts';
import { cluster } from './cluster.ts';
import type { ServerCommand } from './command.ts';
import { commandTable } from './command-table.ts';
import { config } from './config.ts';
import { databaseSize } from './database-size.ts';
import { hello } from './hello.ts';
import { info } from './info.ts';
import { scan } from './scan.ts';
import { asking, quit, readOnly, readWrite, reset, select, time } from './session.ts';
import { wait } from './wait.ts';

export const serverCommands: ReadonlyMap<string, ServerCommand> = new Map(
  [
    asking,
    client,
    cluster,
    commandTable,
    config,
    databaseSize,
    hello,
    info,
    quit,
    readOnly,
    readWrite,
    reset,
    scan,
    select,
    time,
    wait,
  ].map((command) => [command.name, command]),
);
