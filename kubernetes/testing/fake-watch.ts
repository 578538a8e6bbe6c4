/** One watch of the fake API server: a stream of JSON lines. */
import type { ServerResponse } from 'node:http';
import type { FakeRequest } from './fake-api.ts';
import type { FakeChange, FakeObject, FakeObjects } from './fake-objects.ts';
import { type Matcher, matcherOf } from './selectors.ts';

export class FakeWatch {
  readonly #request: FakeRequest;
  readonly #response: ServerResponse;
  readonly #matches: Matcher;
  #stopped = false;

  constructor(request: FakeRequest, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.#matches = matcherOf(
      request.query.get('labelSelector'),
      request.query.get('fieldSelector'),
    );
  }

  /** Tells what happened since the version asked for; from 0 or none, what exists. */
  begin(objects: FakeObjects): void {
    const { resource, namespace, query } = this.#request;
    const from = Number(query.get('resourceVersion') ?? '0');
    this.#response.writeHead(200, { 'Content-Type': 'application/json' });
    this.#response.flushHeaders();
    if (from === 0) {
      for (const object of objects.list(resource, namespace)) {
        if (this.#matches(object)) this.#send('ADDED', object);
      }
    } else if (from < objects.compactedVersion) {
      const message = `too old resource version: ${from} (${objects.compactedVersion})`;
      this.#send('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message });
      this.stop('end');
    } else {
      for (const change of objects.changes) if (change.version > from) this.changed(change);
    }
  }

  changed({ resource, before, after, version }: FakeChange): void {
    const { resource: own, namespace } = this.#request;
    if (resource.plural !== own.plural || resource.group !== own.group) return;
    const place = (after ?? before)?.metadata.namespace;
    if (namespace !== undefined && place !== namespace) return;
    const was = before !== undefined && this.#matches(before);
    const is = after !== undefined && this.#matches(after);
    if (is) this.#send(was ? 'MODIFIED' : 'ADDED', after);
    else if (was) {
      const metadata = { ...before.metadata, resourceVersion: String(version) };
      this.#send('DELETED', { ...before, metadata });
    }
  }

  bookmark(version: number): void {
    const { resource, query } = this.#request;
    if (query.get('allowWatchBookmarks') !== 'true') return;
    const metadata = { resourceVersion: String(version), creationTimestamp: null };
    this.#send('BOOKMARK', { kind: resource.kind, metadata });
  }

  stop(how: 'end' | 'cut' | 'garbage'): void {
    this.#stopped = true;
    if (how === 'garbage') this.#response.end('{"type":"MODI\n');
    else if (how === 'end') this.#response.end();
    else this.#response.destroy();
  }

  #send(type: string, object: FakeObject | Readonly<Record<string, unknown>>): void {
    if (!this.#stopped) this.#response.write(`${JSON.stringify({ type, object })}\n`);
  }
}
