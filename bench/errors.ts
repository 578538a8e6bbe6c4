/** What a benchmark throws on purpose. `exitCode` is the process' exit code. */
export class BenchError extends Error {
  readonly exitCode: number = 1;
}

/** An argument is wrong. Says which one and what would be right. */
export class UsageError extends BenchError {
  override readonly exitCode = 2;
}

/** A program is missing on this machine. Says which Debian package has it. */
export class MissingToolError extends BenchError {
  override readonly exitCode = 4;

  constructor(tool: string, debianPackage: string, cause?: unknown) {
    super(`${tool} is not on this machine: apt-get install ${debianPackage}`, { cause });
  }
}

/** A server answered wrongly or not at all: its figures would mean nothing. */
export class WrongAnswerError extends BenchError {
  override readonly exitCode = 3;
}
