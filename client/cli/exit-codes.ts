/** What the exit code of `rdb` says. `rdb --help` and docs/client.md list them. */
import { RdbError } from '../errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  unknown: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  failed: 'the cluster refused; the reason is on standard error',
  usage: 'wrong arguments; nothing was sent',
  notFound: 'the key does not exist, or a condition did not hold',
  unreachable: 'no node could be reached, or no node leads the shard',
  unknown: 'time is over or the connection broke; a write may have happened',
  interrupted: 'interrupted',
};

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof RdbError)) return EXIT.failed;
  switch (error.reason) {
    case 'UNAVAILABLE':
    case 'NO_LEADER':
      return EXIT.unreachable;
    case 'OUTCOME_UNKNOWN':
    case 'DEADLINE_EXCEEDED':
      return EXIT.unknown;
    default:
      return EXIT.failed;
  }
}
