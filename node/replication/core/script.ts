/**
 * The language of the golden scripts in `testdata/`: what happens to one core, and what it does.
 *
 *     core demo-0/a loss=Reset gone=demo-0/z     starts it
 *     @250                                       the time, monotonic milliseconds
 *     > observed u1 v1 r1 e0 g1 leader=- set=- nodes=demo-0
 *     write 1 on v1: Free e1 g1 leader=demo-0/a set=demo-0/a      effects, one a line
 *
 * An input line starts with `>`; the effects that it must have follow. `#` starts a comment. A Lease is
 * UID, version, revision, epoch, generation, leader, in-sync set, assignment. `won 1 v2` answers write 1
 * with what it asked for, as version v2; `read 1 same` answers read 1 with the last Lease given, `store-reached 1`
 * without.
 *
 * `min=1` (minInSyncReplicas), `promise=1000`, `log=65536` (bytes kept) are what is not said. Messages are
 * written as they are shown: `> from demo-1/b e1 g1 ack demo-1/b held 1.1 applied 1.0`. A write gives the contents
 * of a batch: `> write x y`. `> ask e1 g1 demo-1/b 1500` asks for a promise until then; the line after it
 * tells what was answered. `> fresh g1 7 1200` tells what a heartbeat says of a commit index and a mark; the line
 * after it, as after `> fresh`, what is known of how fresh the copy is, and what heartbeats tell of it. After
 * `> other-leader` stands where clients are sent.
 */

import type { RefusedReason } from '@r-db/leases/store.ts';
import { ShardCore } from './core.ts';
import { epoch, generation, type Incarnation, incarnation, revision } from './identity.ts';
import type { CoreEvent, CoreServing, Effect, Input } from './io.ts';
import type { LeaseEdit, ShardLease } from './lease.ts';
import {
  contentOf,
  cutText,
  entriesText,
  messageOf,
  messageText,
  positionText,
  sessionsText,
} from './message-text.ts';

/** Runs a script and gives it back with the effects that really came. Throws on a line it can't read. */
export function runScript(text: string): string {
  const run = new ScriptRun();
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const effects = run.line(line);
    if (effects === undefined) continue;
    lines.push(line, ...effects);
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

type Write = Extract<Effect, { kind: 'write-lease' }>;

class ScriptRun {
  #core: ShardCore | undefined;
  #nowMs = 0;
  #last: ShardLease | undefined;
  readonly #writes = new Map<number, Write>();

  /** Effects of an input, none for other lines; undefined for the effects of the old run. */
  line(line: string): string[] | undefined {
    const [head = '', ...words] = line.split(/\s+/);
    if (head === '' || head.startsWith('#')) return [];
    if (head === 'core') {
      this.#core = coreOf(words);
      return [];
    }
    if (head.startsWith('@')) {
      this.#nowMs = Number(head.slice(1));
      return [];
    }
    if (head !== '>') return undefined;
    if (this.#core === undefined) throw new Error('a script starts with a line "core ..."');
    if (words[0] === 'ask') return [this.#ask(this.#core, words.slice(1))];
    if (words[0] === 'other-leader') return [`leads: ${this.#core.otherLeader ?? '-'}`];
    if (words[0] === 'fresh') return [this.#fresh(this.#core, words.slice(1))];
    const effects = this.#core.step(
      this.#replicationInput(words, this.#core) ?? this.#input(words),
      this.#nowMs,
    );
    for (const effect of effects) {
      if (effect.kind === 'write-lease') this.#writes.set(effect.request, effect);
    }
    const { wakeAtMs } = this.#core;
    const wake = wakeAtMs === undefined ? [] : [`wake at ${Math.round(wakeAtMs)}`];
    return [...effects.map(effectText), ...wake];
  }

  #ask(core: ShardCore, [e = '', g = '', from = '', untilMs]: string[]): string {
    const row = {
      shard: 0,
      epoch: epoch(Number(e.slice(1))),
      generation: generation(Number(g.slice(1))),
    };
    const refused = core.promise(row, incarnation(from), Number(untilMs));
    return refused === undefined
      ? `promises until ${untilMs}`
      : `refuses a promise: ${refused.reason} (epoch seen ${refused.epoch})`;
  }

  #fresh(core: ShardCore, [g, committed, asOfMs]: string[]): string {
    if (g !== undefined) {
      const row = { shard: 0, generation: generation(Number(g.slice(1))) };
      core.freshIf({ ...row, committed: Number(committed), asOfMs: Number(asOfMs) });
    }
    const held = core.committedIfHeld(this.#nowMs);
    const tells = held === undefined ? '' : `, tells that ${held} is committed`;
    return `fresh as of ${core.freshAsOfMs ?? '-'}${tells}`;
  }

  #replicationInput([kind, ...words]: string[], core: ShardCore): Input | undefined {
    const [who = '', second = ''] = words;
    switch (kind) {
      case 'from':
        return {
          kind: 'message',
          from: incarnation(who),
          message: messageOf(words.slice(1)),
          ...(words.at(-1) === 'no-memory' ? { noMemory: true } : {}),
        };
      case 'peer':
        return { kind, incarnation: incarnation(who), state: second as 'up' | 'down' | 'refused' };
      case 'leave':
        return { kind, incarnation: incarnation(who) };
      case 'promised': {
        const untilMs = Number(words[2]);
        return { kind, by: incarnation(who), epoch: epoch(Number(second.slice(1))), untilMs };
      }
      case 'promise-refused':
        return { kind, by: incarnation(who), epoch: epoch(Number(second.slice(1))) };
      case 'hand-over':
        return { kind, to: incarnation(who), ...(second ? { withinMs: Number(second) } : {}) };
      case 'write': {
        // `e1` says in which epoch it was executed; else in the present one.
        const given = /^e\d+$/.test(who) ? Number(words.shift()?.slice(1)) : undefined;
        const executedIn = epoch(given ?? core.leading?.epoch ?? 0);
        let { sequence } = core.positions.last;
        const entries = words.map((one) => ({ sequence: ++sequence, ...contentOf(one) }));
        return { kind, epoch: executedIn, entries };
      }
      case 'cut': {
        const cut = words[2] === 'end' ? undefined : contentOf(words[2] ?? '').content;
        const sessions = contentOf(words[3] ?? '').content;
        return { kind, to: incarnation(who), snapshot: Number(second), cut, sessions };
      }
      default:
        return undefined;
    }
  }

  #input([kind, ...words]: string[]): Input {
    const request = Number(words[0]);
    const message = words.slice(1).join(' ');
    switch (kind) {
      case 'observed':
        return { kind, lease: this.#lease(words) };
      case 'deleted':
        return { kind, uid: words[0] ?? '' };
      case 'unreadable':
        return { kind, message: words.join(' ') };
      case 'read':
        return { kind, request, lease: this.#answer(words.slice(1)) };
      case 'store-reached':
        return { kind, request };
      case 'read-failed':
        return { kind, request, forbidden: words[1] === 'Forbidden', message };
      case 'won':
        return { kind, request, lease: this.#wonLease(request, words[1] ?? '') };
      case 'refused':
        return {
          kind,
          request,
          reason: words[1] as RefusedReason,
          message: words.slice(2).join(' '),
        };
      case 'unresolved':
        return { kind, request, message };
      case 'data-refused':
        return { kind, message: words.join(' ') };
      case 'settings': {
        const given = fields(words);
        const minInSync = Number(given.get('min') ?? 1);
        return { kind, minInSync, promiseMs: Number(given.get('promise') ?? 1_000) };
      }
      case 'policy':
        return { kind, totalLoss: words[0] === 'Hold' ? 'Hold' : 'Reset' };
      case 'writes-stopped':
      case 'data-created':
      case 'data-dropped':
      case 'tick':
      case 'shutdown':
      case 'suspended':
      case 'store-answers':
        return { kind };
      default:
        throw new Error(`a script has no input "${kind}"`);
    }
  }

  #answer(words: string[]): ShardLease | undefined {
    if (words[0] === 'none') return undefined;
    if (words[0] !== 'same') return this.#lease(words);
    if (this.#last === undefined) throw new Error('"same" needs a Lease before it');
    return this.#last;
  }

  #lease(words: string[]): ShardLease {
    this.#last = leaseOf(words);
    return this.#last;
  }

  #wonLease(request: number, version: string): ShardLease {
    const write = this.#writes.get(request);
    if (write === undefined) throw new Error(`there was no write ${request}`);
    const { cause: _, ...edited } = write.edit;
    this.#last = {
      ...write.base,
      ...edited,
      version,
      revision: revision(write.base.revision + 1),
    };
    return this.#last;
  }
}

function coreOf([self = '', ...words]: string[]): ShardCore {
  const given = fields(words);
  return new ShardCore({
    self: incarnation(self),
    gone: new Set(members(given.get('gone'))),
    totalLoss: given.get('loss') === 'Hold' ? 'Hold' : 'Reset',
    seed: Number(given.get('seed') ?? 1),
    replication: replicationOf(given),
  });
}

const replicationOf = (given: ReadonlyMap<string, string>) => ({
  minInSync: Number(given.get('min') ?? 1),
  promiseMs: Number(given.get('promise') ?? 1_000),
  logBytesMax: Number(given.get('log') ?? 65_536),
});

function leaseOf(words: string[]): ShardLease {
  const [uid = '', version = '', r = '', e = '', g = '', ...rest] = words;
  const given = fields(rest);
  const leader = given.get('leader') ?? '-';
  return {
    uid,
    version,
    revision: revision(Number(r.slice(1))),
    epoch: epoch(Number(e.slice(1))),
    generation: generation(Number(g.slice(1))),
    leader: leader === '-' ? undefined : incarnation(leader),
    inSync: members(given.get('set')),
    assignment: names(given.get('nodes')),
  };
}

function fields(words: readonly string[]): Map<string, string> {
  return new Map(
    words.map((word) => {
      const equals = word.indexOf('=');
      if (equals < 0) throw new Error(`expected name=value, not "${word}"`);
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}

const names = (text = '-'): string[] => (text === '-' ? [] : text.split(','));
const members = (text?: string): Incarnation[] => names(text).map(incarnation);
const list = (values: readonly string[]): string => (values.length === 0 ? '-' : values.join(','));

function effectText(effect: Effect): string {
  switch (effect.kind) {
    case 'write-lease':
      return `write ${effect.request} on ${effect.base.version}: ${editText(effect.edit)}`;
    case 'read-lease':
      return `read ${effect.request}${effect.orAny ? ' or any' : ''}`;
    case 'publish':
      return `publish ${servingText(effect.serving)}`;
    case 'create-data':
    case 'drop-data':
      return `${effect.kind} g${effect.generation}`;
    case 'send':
      return `send ${effect.to} ${messageText(effect.message)}`;
    case 'commit':
      return `commit ${effect.sequence}`;
    case 'stop-writes':
      return effect.kind;
    case 'roll-back':
      return `roll-back${effect.taken ? ' taken' : ''}`;
    case 'apply':
      return `apply ${entriesText(effect.entries)}`;
    case 'begin-snapshot':
      return `begin-snapshot from ${positionText(effect.from)}`;
    case 'install-cut':
      return `install-cut ${cutText(effect.cut)}`;
    case 'end-snapshot':
      return `${effect.kind}${sessionsText(effect.sessions)}`;
    case 'take-cut':
      return `take-cut ${effect.snapshot} for ${effect.to}`;
    case 'tell':
      return `tell ${eventText(effect.event)}`;
  }
}

function editText(edit: LeaseEdit): string {
  const { cause, epoch, generation, leader, inSync } = edit;
  return `${cause} e${epoch} g${generation} leader=${leader ?? '-'} set=${list(inSync)}`;
}

function servingText(serving: CoreServing): string {
  if (serving.role !== 'leader') return serving.role;
  const { epoch, generation, readUntilMs, writable, tooFewReplicas, alone } = serving;
  const few = tooFewReplicas ? ' (too few replicas)' : '';
  const reads = readUntilMs === Number.POSITIVE_INFINITY ? 'always' : `until ${readUntilMs}`;
  return `leader e${epoch} g${generation} reads ${reads}${writable ? '' : ' no writes'}${few}${alone ? ' alone' : ''}`;
}

function eventText({ kind, ...rest }: CoreEvent): string {
  return [kind, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join(' ');
}
