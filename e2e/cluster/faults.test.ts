import { expect } from 'chai';
import { describe, it } from 'mocha';
import { dropRules, ourRules } from './faults.ts';

/** Namespace and match of each rule, in one line. */
const rules = (from: string, to: string) =>
  dropRules({ from, to }).map(({ namespace, match }) => {
    const [, , , comment, ...rest] = match;
    expect(comment).to.equal(`rdb-cut:${from}:${to}`);
    return `${namespace} ${rest.join(' ')}`;
  });

describe('rules of a cut', () => {
  it('drop what comes from a node and its pods, where it arrives', () => {
    expect(rules('n1', 'n2')).to.deep.equal([
      'rdb-n2 -s 10.249.0.11/32',
      'rdb-n2 -s 10.248.1.0/24',
    ]);
  });

  it('stop what speaks to the API server, and no client of the pods', () => {
    expect(rules('n3', 'api')).to.deep.equal([
      'rdb-cp -s 10.249.0.13/32 -p tcp --dport 6443',
      'rdb-cp -s 10.249.0.13/32 -p tcp --sport 10250',
      'rdb-cp -s 10.248.3.0/24 -p tcp --dport 6443',
      'rdb-cp -s 10.248.3.0/24 -p tcp --sport 10250',
    ]);
    expect(rules('api', 'n3')).to.deep.equal([
      'rdb-n3 -s 10.249.0.1 -p tcp --sport 6443',
      'rdb-n3 -s 10.249.0.1 -p tcp --dport 10250',
    ]);
  });

  it('stop everything from or to a node', () => {
    expect(rules('all', 'n1')).to.deep.equal(['rdb-n1 -i eth0']);
    expect(rules('n1', 'all')).to.deep.equal(
      ['rdb-cp', 'rdb-n2', 'rdb-n3'].flatMap((namespace) => [
        `${namespace} -s 10.249.0.11/32`,
        `${namespace} -s 10.248.1.0/24`,
      ]),
    );
  });

  it('drop what goes from pod to pod, on one host as well', () => {
    expect(rules('10.248.1.5', '10.248.1.6')).to.deep.equal([
      'rdb-n1 -s 10.248.1.5/32 -d 10.248.1.6/32',
    ]);
    expect(rules('10.248.1.5', 'n2')).to.deep.equal(['rdb-n2 -s 10.248.1.5/32']);
    expect(rules('n1', '10.248.2.9')).to.deep.equal([
      'rdb-n2 -s 10.249.0.11/32 -d 10.248.2.9/32',
      'rdb-n2 -s 10.248.1.0/24 -d 10.248.2.9/32',
    ]);
    expect(rules('10.248.3.4', 'all')).to.deep.equal(
      ['rdb-cp', 'rdb-n1', 'rdb-n2'].map((namespace) => `${namespace} -s 10.248.3.4/32`),
    );
    expect(rules('all', '10.248.3.4')).to.deep.equal(['rdb-n3 -i eth0 -d 10.248.3.4/32']);
    expect(rules('10.248.3.4', 'api')[0]).to.equal('rdb-cp -s 10.248.3.4/32 -p tcp --dport 6443');
    expect(rules('api', '10.248.3.4')[0]).to.equal(
      'rdb-n3 -s 10.249.0.1 -d 10.248.3.4/32 -p tcp --sport 6443',
    );
  });

  it('name places that there are', () => {
    const message = 'cut: no place "n4"; there are n1, n2, n3, pods\' addresses, api and all';
    for (const [from, to] of [
      ['n4', 'n1'],
      ['n1', 'n4'],
      ['api', 'n4'],
      ['n4', 'api'],
    ] as const) {
      expect(() => dropRules({ from, to })).to.throw(message);
    }
    expect(() => dropRules({ from: '10.1.1.1', to: 'n1' })).to.throw('no place "10.1.1.1"');
    expect(() => dropRules({ from: 'api', to: 'all' })).to.throw('no place "api"');
    expect(() => dropRules({ from: 'n1', to: 'n1' })).to.throw('the same place');
  });

  it('are found again among those of others', () => {
    const listing = `-P PREROUTING ACCEPT
-A PREROUTING -s 10.249.0.11/32 -m comment --comment "rdb-cut:n1:n2" -j DROP
-A PREROUTING -s 10.9.9.9/32 -j DROP
`;
    expect(ourRules(listing).map((words) => words.join(' '))).to.deep.equal([
      '-D PREROUTING -s 10.249.0.11/32 -m comment --comment rdb-cut:n1:n2 -j DROP',
    ]);
  });
});
