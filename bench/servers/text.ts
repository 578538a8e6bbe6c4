/** Asks a server one question over its text protocol: for readiness and counts, not for load. */
import { connect } from 'node:net';
import { limits } from '../limits.ts';

/**
 * Sends `question`, resolves with what came back once `isWhole` says so. Rejects when the connection
 * fails or ends, or after `timeoutMs`.
 */
export async function ask(
  port: number,
  question: string,
  isWhole: (answer: string) => boolean,
  timeoutMs: number = limits.readyTimeoutMs,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answer = '';
    const end = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => end(new Error(`no answer from port ${port}`)));
    socket.on('error', end);
    socket.on('close', () => end(new Error(`port ${port} closed the connection`)));
    socket.on('connect', () => socket.write(question));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (!isWhole(answer)) return;
      resolve(answer);
      socket.destroy();
    });
  });
}

/** Whole once so many lines are there. */
export function lines(count: number): (answer: string) => boolean {
  return (answer) => answer.split('\r\n').length > count;
}

/** The number in an integer reply (`:12`) or in a statistics line. Throws on anything else. */
export function numberIn(answer: string, pattern: RegExp): number {
  const digits = pattern.exec(answer)?.[1];
  if (digits === undefined) throw new Error(`no number in ${JSON.stringify(answer.slice(0, 200))}`);
  return Number(digits);
}
