/** Messages as a script or a trace shows them, and as a script writes them down. */

import { epoch, generation, incarnation } from './identity.ts';
import type { MessageBody, ShardMessage } from './messages.ts';
import type { LogEntry, Position } from './position.ts';

export const positionText = ({ epoch, sequence }: Position): string => `${epoch}.${sequence}`;

/** `1.4` */
export function positionOf(text = ''): Position {
  const [e, sequence] = text.split('.').map(Number);
  if (e === undefined || sequence === undefined) throw new Error(`"${text}" is no position`);
  return { epoch: epoch(e), sequence };
}

export const cutText = (cut: Uint8Array): string => new TextDecoder().decode(cut);

export const entriesText = (entries: readonly LogEntry[]): string =>
  entries.length === 0
    ? '-'
    : entries.map((one) => `${positionText(one)}=${cutText(one.content)}`).join(',');

/** `1.4=x,1.5=y` */
export function entriesOf(text = '-'): LogEntry[] {
  if (text === '-') return [];
  return text.split(',').map((one) => {
    const [position, content = ''] = one.split('=');
    return { ...positionOf(position), ...contentOf(content) };
  });
}

export function contentOf(text: string): Pick<LogEntry, 'content' | 'checksum'> {
  const content = new TextEncoder().encode(text);
  return { content, checksum: content.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) };
}

export const messageText = ({ epoch, generation, body }: ShardMessage): string =>
  `e${epoch} g${generation} ${bodyText(body)}`;

function bodyText(body: MessageBody): string {
  switch (body.kind) {
    case 'entries': {
      const { previous, entries, committed } = body;
      return `entries after ${positionText(previous)} ${entriesText(entries)} committed ${committed}`;
    }
    case 'acknowledgement': {
      const { incarnation, held, applied, problem, snapshot, freeBytes } = body;
      const words = [
        `ack ${incarnation} held ${positionText(held)} applied ${positionText(applied)}`,
      ];
      if (problem !== undefined) words.push(problem);
      if (snapshot !== undefined) words.push(`snapshot ${snapshot.number} cuts ${snapshot.cuts}`);
      if (freeBytes !== undefined) words.push(`free ${freeBytes}`);
      return words.join(' ');
    }
    case 'commit':
      return `commit ${body.committed}`;
    case 'snapshot-begin':
      return `snapshot ${body.snapshot} from ${positionText(body.from)}`;
    case 'snapshot-cut':
      return `cut ${body.snapshot} ${body.index} ${cutText(body.cut)}`;
    case 'snapshot-end':
      return `snapshot-end ${body.snapshot} cuts ${body.cuts}${sessionsText(body.sessions)}`;
    case 'hand-over':
      return `hand-over ${body.lease.version}`;
    case 'refusal':
      return 'refusal';
  }
}

export const sessionsText = (sessions: Uint8Array): string =>
  sessions.length === 0 ? '' : ` sessions ${cutText(sessions)}`;

/** What `messageText` writes, read again; a hand-over excepted: the shell tells it as `observed`. */
export function messageOf([e = '', g = '', ...words]: readonly string[]): ShardMessage {
  const body = bodyOf(words);
  return { epoch: epoch(Number(e.slice(1))), generation: generation(Number(g.slice(1))), body };
}

function bodyOf([kind, ...words]: readonly string[]): MessageBody {
  switch (kind) {
    case 'entries':
      return {
        kind,
        previous: positionOf(words[1]),
        entries: entriesOf(words[2]),
        committed: Number(words[4]),
      };
    case 'ack': {
      const snapshot = words.indexOf('snapshot');
      const number = Number(words[snapshot + 1]);
      const free = words.indexOf('free');
      return {
        kind: 'acknowledgement',
        incarnation: incarnation(words[0] ?? ''),
        held: positionOf(words[2]),
        applied: positionOf(words[4]),
        ...(words[5] === 'gap' || words[5] === 'out-of-memory' ? { problem: words[5] } : {}),
        ...(free < 0 ? {} : { freeBytes: Number(words[free + 1]) }),
        ...(snapshot < 0 ? {} : { snapshot: { number, cuts: Number(words[snapshot + 3]) } }),
      };
    }
    case 'commit':
      return { kind, committed: Number(words[0]) };
    case 'snapshot':
      return { kind: 'snapshot-begin', snapshot: Number(words[0]), from: positionOf(words[2]) };
    case 'cut': {
      const { content } = contentOf(words[2] ?? '');
      return {
        kind: 'snapshot-cut',
        snapshot: Number(words[0]),
        index: Number(words[1]),
        cut: content,
      };
    }
    case 'snapshot-end': {
      const sessions = contentOf(words[4] ?? '').content;
      return { kind, snapshot: Number(words[0]), cuts: Number(words[2]), sessions };
    }
    case 'refusal':
      return { kind };
    default:
      throw new Error(`a script has no message "${kind}"`);
  }
}
