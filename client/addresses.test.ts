import { expect } from 'chai';
import { describe, it } from 'mocha';
import { formatAddress, parseAddress } from './addresses.ts';

describe('addresses', () => {
  const right: [string, string][] = [
    ['127.0.0.1:7380', '127.0.0.1:7380'],
    ['127.0.0.1', '127.0.0.1:7379'],
    ['demo-0.demo-nodes.default.svc:1', 'demo-0.demo-nodes.default.svc:1'],
    ['[::1]:7380', '[::1]:7380'],
    ['[fe80::1]', '[fe80::1]:7379'],
    ['::1', '[::1]:7379'],
    ['fe80::1:2', '[fe80::1:2]:7379'],
  ];
  for (const [text, meant] of right) {
    it(`reads ${text}`, () => {
      const address = parseAddress(text);
      expect(address && formatAddress(address)).to.equal(meant);
    });
  }

  for (const text of [
    '',
    'a b',
    ':7379',
    'a:',
    'a:0',
    'a:65536',
    'a:b',
    'http://a:1',
    'a:1/b',
    '[::1',
    '[x]:1',
  ]) {
    it(`refuses "${text}"`, () => {
      expect(parseAddress(text)).to.equal(undefined);
    });
  }
});
