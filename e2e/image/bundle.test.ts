import { expect } from 'chai';
import { describe, it } from 'mocha';
import { rewriteReferences } from './bundle.ts';

describe('references of the bundles', () => {
  const rewrite = (source: string) => {
    const asked: string[] = [];
    const text = rewriteReferences(source, '/src/node/server/threads.ts', (path) => {
      asked.push(path);
      if (path.endsWith('missing.wasm')) return undefined;
      return path.endsWith('.ts') ? 'thread.mjs' : 'engine.wasm';
    });
    return { text, asked };
  };

  it('follows a thread to its bundle', () => {
    const { text, asked } = rewrite(`new Worker(new URL('./thread.ts', import.meta.url), {})`);
    expect(text).to.equal(`new Worker(new URL('./thread.mjs', import.meta.url), {})`);
    expect(asked).to.deep.equal(['/src/node/server/thread.ts']);
  });

  it('takes a file along that lies elsewhere, over several lines', () => {
    const source =
      'readFile(\n  new URL(\n    "../engine/build/engine.wasm",\n    import.meta.url,\n  ),\n)';
    const { text, asked } = rewrite(source);
    expect(text).to.equal(`readFile(\n  new URL('./engine.wasm', import.meta.url),\n)`);
    expect(asked).to.deep.equal(['/src/node/engine/build/engine.wasm']);
  });

  it('leaves a place alone where nothing is', () => {
    const source = `new URL('./missing.wasm', import.meta.url)`;
    expect(rewrite(source).text).to.equal(source);
  });

  it('leaves other addresses alone', () => {
    const source = `new URL('https://rdb.dev'); new URL(name, import.meta.url); new URL('./a.ts', base)`;
    expect(rewrite(source)).to.deep.equal({ text: source, asked: [] });
  });
});
