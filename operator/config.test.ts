import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { configure, help, settings } from './config.ts';
import { ConfigurationError } from './errors.ts';

const needed = {
  RDB_OPERATOR_IMAGE: 'rdb.dev/r-db:0.1.0',
  RDB_OPERATOR_NAMESPACE: 'rdb-system',
  RDB_OPERATOR_IDENTITY: 'rdb-operator-0',
};

describe('the settings of the operator', () => {
  it('come from the environment, and flags win', () => {
    const environment = { ...needed, RDB_OPERATOR_WATCH_NAMESPACES: 'a,b', OTHER: 'x' };
    const configuration = configure(environment, ['--metrics-port', '0', '--image=other:1']);
    expect(configuration).to.deep.include({
      image: 'other:1',
      watchNamespaces: ['a', 'b'],
      metricsPort: 0,
      leaderElection: true,
      kubeconfig: undefined,
    });
  });

  const wrong: readonly [string, Record<string, string>, string[], string][] = [
    ['a typo', { ...needed, RDB_OPERATOR_IMGE: 'x' }, [], 'RDB_OPERATOR_IMGE is no setting'],
    ['a missing one', {}, [], 'RDB_OPERATOR_IMAGE is not set'],
    [
      'a wrong port',
      { ...needed, RDB_OPERATOR_METRICS_PORT: '70000' },
      [],
      'RDB_OPERATOR_METRICS_PORT is "70000"',
    ],
    [
      'a wrong namespace',
      { ...needed, RDB_OPERATOR_WATCH_NAMESPACES: 'A' },
      [],
      'separated by commas',
    ],
    ['an unknown flag', needed, ['--port', '1'], '--port is no flag'],
    ['a flag without value', needed, ['--image'], '--image needs a value'],
  ];
  for (const [what, environment, argv, message] of wrong) {
    it(`name ${what}`, () => {
      expect(() => configure(environment, argv)).to.throw(ConfigurationError, message);
    });
  }

  it('are all in --help, in the docs, and known to the chart', () => {
    const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8');
    const names = Object.values(settings).map(({ name }) => name);
    for (const name of names) {
      expect(help()).to.contain(name);
      expect(read('docs/operations.md')).to.contain(`\`${name}\``);
    }
    const used = read('charts/rdb/templates/deployment.yaml').match(/RDB_OPERATOR_[A-Z_]+/g) ?? [];
    expect(used).to.have.length.above(5);
    for (const name of used) expect(names).to.include(name);
  });
});
