/**
 * A Redis Cluster client that never tries again behind our back: redirects are followed, every other error is
 * the outcome. While a node leaves a command without an answer, new commands ask the others first. While nobody leads a
 * shard, one command at a time looks for who does, and the others wait: all of them together would keep the
 * processors busy that the nodes need for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { askAgainMs, attemptMs, connectMs, goneMs, operationMs, stuckMs } from './limits.ts';
import type { Answer } from './operation.ts';
import { ConnectionLost, type Reply, RespConnection } from './resp-connection.ts';
import type { Read, Seen, Store } from './store.ts';

type Executed =
  | { readonly outcome: 'ok'; readonly reply: Exclude<Reply, { kind: 'error' }> }
  | { readonly outcome: 'failed' | 'unknown'; readonly error: string };

/** What all connections of one process learn of the cluster. */
interface Known {
  readonly nodes: readonly string[];
  readonly leaders: Map<number, string>;
  /** Node -> connections that it leaves without an answer. */
  readonly silent: Map<string, number>;
  /** Node -> until when, by `performance.now()`, it is not tried again: nothing listens there. */
  readonly gone: Map<string, number>;
  /** Shards whose leader a command looks for, with what to call when it has ended. */
  readonly searches: Map<number, PromiseWithResolvers<void>>;
}

/** Connections to a cluster of which these nodes, `host:port`, are known. */
export function respConnect(nodes: readonly string[]): (shard: number) => RespStore {
  const known: Known = {
    nodes,
    leaders: new Map(),
    silent: new Map(),
    gone: new Map(),
    searches: new Map(),
  };
  return (shard) => new RespStore(known, shard);
}

export class RespStore implements Store {
  readonly #known: Known;
  readonly #shard: number;
  #connection: RespConnection | undefined;
  #node: string | undefined;
  #turn: number;

  constructor(known: Known, shard: number) {
    this.#known = known;
    this.#shard = shard;
    this.#turn = shard;
  }

  async read(key: string): Promise<Read> {
    const executed = await this.#execute(['GET', key]);
    if (executed.outcome !== 'ok') return { outcome: 'failed', error: executed.error };
    const { reply } = executed;
    if (reply.kind === 'absent') return { outcome: 'ok', seen: undefined };
    return { outcome: 'ok', seen: { value: reply.text, token: reply.text } };
  }

  async write(key: string, value: string): Promise<Answer> {
    const executed = await this.#execute(['SET', key, value]);
    return executed.outcome === 'ok' ? { outcome: 'ok' } : executed;
  }

  async increment(key: string): Promise<Answer> {
    const executed = await this.#execute(['INCR', key]);
    if (executed.outcome !== 'ok') return executed;
    // An answer that is no number is written down as well: the checkers will not like it.
    return { outcome: 'ok', result: 'text' in executed.reply ? executed.reply.text : null };
  }

  async compareAndSet(key: string, { token }: Seen, value: string): Promise<Answer> {
    const executed = await this.#execute(['SET', key, value, 'IFEQ', token]);
    if (executed.outcome !== 'ok') return executed;
    return { outcome: 'ok', result: executed.reply.kind !== 'absent' };
  }

  /** Whether it was there is the result. */
  async remove(key: string): Promise<Answer> {
    const executed = await this.#execute(['DEL', key]);
    if (executed.outcome !== 'ok') return executed;
    return { outcome: 'ok', result: 'text' in executed.reply && executed.reply.text === '1' };
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #execute(words: readonly string[]): Promise<Executed> {
    const search = new Search(this.#known.searches, this.#shard);
    try {
      return await this.#ask(words, search);
    } finally {
      search.end();
    }
  }

  async #ask(words: readonly string[], search: Search): Promise<Executed> {
    const deadline = performance.now() + operationMs;
    let node = this.#first();
    let error = 'NO_NODE';
    for (let redirects = 0; performance.now() < deadline; ) {
      if (await search.others(deadline)) {
        node = this.#first();
        continue;
      }
      if (this.#isSilent(node)) {
        await sleep(askAgainMs);
        node = this.#next();
        continue;
      }
      const connection = await this.#connect(node);
      if (connection instanceof ConnectionLost) {
        error = connection.message;
        this.#known.gone.set(node, performance.now() + goneMs);
        search.begin();
        await sleep(askAgainMs);
        node = this.#next();
        continue;
      }
      const reply = await this.#attempt(connection, node, words, search);
      if (typeof reply === 'string') return { outcome: 'unknown', error: reply };
      if (reply.kind !== 'error') {
        this.#known.leaders.set(this.#shard, node);
        return { outcome: 'ok', reply };
      }
      const [word = '', , address] = reply.text.split(' ');
      if (word !== 'MOVED' || address === undefined) {
        this.#known.leaders.delete(this.#shard);
        return { outcome: word === 'UNKNOWN' ? 'unknown' : 'failed', error: word };
      }
      error = word;
      this.#known.leaders.set(this.#shard, address);
      node = address;
      if (++redirects > 1 || this.#isGone(address)) {
        search.begin();
        await sleep(askAgainMs); // the nodes don't agree yet
        if (this.#isGone(address)) node = this.#next();
      }
    }
    return { outcome: 'failed', error };
  }

  /** The reply, or why there is none. */
  async #attempt(
    connection: RespConnection,
    node: string,
    words: readonly string[],
    search: Search,
  ): Promise<Reply | string> {
    let given = false;
    const end = setTimeout(() => {
      given = true;
      connection.close();
    }, attemptMs);
    const answered = this.#awaited(node, search);
    try {
      return await connection.command(words);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return given ? 'TIMEOUT' : 'CONNECTION_LOST';
    } finally {
      clearTimeout(end);
      answered();
    }
  }

  async #connect(node: string): Promise<RespConnection | ConnectionLost> {
    if (this.#node === node && this.#connection?.usable === true) return this.#connection;
    this.close();
    const answered = this.#awaited(node);
    try {
      this.#connection = await RespConnection.open(node, { timeoutMs: connectMs });
      this.#node = node;
      return this.#connection;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return error;
    } finally {
      answered();
    }
  }

  /** A node counts as silent once something took too long there, until the function returned is called. */
  #awaited(node: string, search?: Search): () => void {
    const { silent } = this.#known;
    let counted = 0;
    const late = setTimeout(() => {
      counted = 1;
      search?.end();
      silent.set(node, (silent.get(node) ?? 0) + 1);
    }, stuckMs);
    return () => {
      clearTimeout(late);
      silent.set(node, (silent.get(node) ?? 0) - counted);
    };
  }

  #isSilent(node: string): boolean {
    return (this.#known.silent.get(node) ?? 0) > 0;
  }

  /** Whom to ask first. */
  #first(): string {
    const leader = this.#known.leaders.get(this.#shard);
    return leader === undefined || this.#isGone(leader) ? this.#next() : leader;
  }

  #isGone(node: string): boolean {
    return (this.#known.gone.get(node) ?? 0) > performance.now();
  }

  /** The known nodes in turn, those that are gone only if all are. */
  #next(): string {
    const { nodes } = this.#known;
    const there = nodes.filter((node) => !this.#isGone(node));
    const some = there.length > 0 ? there : nodes;
    return some[this.#turn++ % some.length] ?? '';
  }
}

/** A command's part in the search for a shard's leader. */
class Search {
  readonly #searches: Known['searches'];
  readonly #shard: number;
  #own: PromiseWithResolvers<void> | undefined;

  constructor(searches: Known['searches'], shard: number) {
    this.#searches = searches;
    this.#shard = shard;
  }

  /** Nobody was found: unless another command looks already, this one does. */
  begin(): void {
    if (this.#searches.has(this.#shard)) return;
    this.#own = Promise.withResolvers();
    this.#searches.set(this.#shard, this.#own);
  }

  /** It has found somebody, or waits for one who says nothing: another may look. */
  end(): void {
    if (this.#own === undefined) return;
    this.#searches.delete(this.#shard);
    this.#own.resolve();
    this.#own = undefined;
  }

  /** Waits for another command that looks, until the deadline at most; false: none does. */
  async others(deadline: number): Promise<boolean> {
    const other = this.#searches.get(this.#shard);
    if (other === undefined || other === this.#own) return false;
    const timer = new AbortController();
    const late = sleep(Math.max(0, deadline - performance.now()), undefined, timer);
    await Promise.race([other.promise, late.catch(() => undefined)]);
    timer.abort();
    return true;
  }
}
