import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Reply } from './reply.ts';

function written(protocol: 2 | 3, write: (reply: Reply) => void): string {
  const reply = new Reply(protocol);
  write(reply);
  return reply.bytes().toString('latin1');
}

describe('replies of commands in JavaScript', () => {
  const cases: readonly [
    name: string,
    write: (reply: Reply) => void,
    two: string,
    three: string,
  ][] = [
    ['simple', (reply) => reply.simple('OK'), '+OK\r\n', '+OK\r\n'],
    ['integer', (reply) => reply.integer(-7n), ':-7\r\n', ':-7\r\n'],
    ['bulk', (reply) => reply.bulk('ä'), '$2\r\nÃ¤\r\n', '$2\r\nÃ¤\r\n'],
    ['null', (reply) => reply.null(), '$-1\r\n', '_\r\n'],
    ['null array', (reply) => reply.nullArray(), '*-1\r\n', '_\r\n'],
    ['map', (reply) => reply.map(2), '*4\r\n', '%2\r\n'],
    ['set', (reply) => reply.set(3), '*3\r\n', '~3\r\n'],
    ['text', (reply) => reply.verbatim('hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
  ];
  for (const [name, write, two, three] of cases) {
    it(`writes ${name} in both protocols`, () => {
      expect(written(2, write)).to.equal(two);
      expect(written(3, write)).to.equal(three);
    });
  }

  it('lets no line end pass into an error', () => {
    expect(written(2, (reply) => reply.error('ERR a\r\n+OK'))).to.equal('-ERR a  +OK\r\n');
  });

  it('goes on in another protocol', () => {
    const both = written(2, (reply) => {
      reply.null();
      reply.as(3).null();
    });
    expect(both).to.equal('$-1\r\n_\r\n');
  });
});
