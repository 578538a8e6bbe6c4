/** One thread's questions to all: numbered, answered once each. */
import type { FromThread } from './messages.ts';
import type { Answer, Question } from './questions.ts';

export class Questioner {
  readonly #post: (message: FromThread) => void;
  readonly #waiting = new Map<number, (answers: readonly Answer[]) => void>();
  #number = 0;

  constructor(post: (message: FromThread) => void) {
    this.#post = post;
  }

  ask(question: Question): Promise<readonly Answer[]> {
    const number = ++this.#number;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.#post({ kind: 'question', number, question });
    });
  }

  answered(number: number, answers: readonly Answer[]): void {
    this.#waiting.get(number)?.(answers);
    this.#waiting.delete(number);
  }
}
