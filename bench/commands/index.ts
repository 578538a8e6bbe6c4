import { catchUp } from './catch-up.ts';
import type { Command } from './command.ts';
import { engine } from './engine.ts';
import { failover } from './failover.ts';
import { grpc } from './grpc.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { replication } from './replication.ts';
import { resp } from './resp.ts';
import { start } from './start.ts';

/** The commands of `npm run bench`, by name. */
export const commands: Readonly<Record<string, Command>> = {
  resp,
  latency,
  memory,
  start,
  replication,
  failover,
  'catch-up': catchUp,
  grpc,
  engine,
};
