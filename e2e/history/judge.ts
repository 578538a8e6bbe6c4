/** The judge: Porcupine, in a program of its own (`e2e/linearizability`). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../cluster/run.ts';
import { judgeSeconds } from './limits.ts';
import { type Operation, toLines } from './operation.ts';

export interface Judgement {
  readonly verdict: 'linearizable' | 'not linearizable' | 'not decided';
  readonly keys: number;
  readonly operations: number;
  /** Keys that are not linearizable; each has a page in the folder. */
  readonly bad: readonly string[];
  /** Keys for which the time was not enough. */
  readonly undecided: readonly string[];
  readonly seconds: number;
}

/** Writes the history into the folder and has it judged. Throws Error if the judge can't read it. */
export async function judge(
  program: string,
  history: readonly Operation[],
  folder: string,
  seconds = judgeSeconds,
): Promise<Judgement> {
  const file = join(folder, 'history.jsonl');
  writeFileSync(file, toLines(history));
  const words = [program, '-seconds', `${seconds}`, '-visualize', folder, file];
  const { code, stdout, stderr } = await attempt(words);
  if (code > 1) throw new Error(`the judge failed: ${stderr}`);
  return JSON.parse(stdout) as Judgement;
}
