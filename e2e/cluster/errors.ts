/** What the user of `npm run cluster` and `npm run e2e` did, or lacks: shown without a stack. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
}

/** A system tool failed. The message holds the command and the end of what it wrote. */
export class CommandFailed extends ClusterError {
  readonly code: number;
  readonly stderr: string;

  constructor(command: readonly string[], code: number, stderr: string) {
    super(`${command.join(' ')} failed with exit code ${code}: ${stderr.trim().slice(-2000)}`);
    this.code = code;
    this.stderr = stderr;
  }
}
