import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, withClient } from '../testing/commands.ts';

function fieldsOf(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

describe('INFO', () => {
  it('tells sections in Redis’ format, the usual ones or those asked for', () =>
    withClient(async (client) => {
      const headings = (text: unknown) =>
        [...String(text).matchAll(/^# (\S+)/gm)].map(([, name]) => name);
      expect(headings(await ask(client, 'INFO'))).to.deep.equal([
        'Server',
        'Clients',
        'Memory',
        'Persistence',
        'Stats',
        'Replication',
        'CPU',
        'Cluster',
        'Keyspace',
        'r_db',
      ]);
      expect(headings(await ask(client, 'INFO', 'memory', 'cluster'))).to.deep.equal([
        'Memory',
        'Cluster',
      ]);
      expect(headings(await ask(client, 'INFO', 'everything'))).to.include('Commandstats');
      expect(await ask(client, 'INFO', 'nosuch')).to.equal('');
    }));

  it('counts', () =>
    withClient(async (client) => {
      await client.expect(['SET', 'a', '1'], '+OK\r\n');
      await client.expect(['GET', 'a'], '$1\r\n1\r\n');
      await ask(client, 'CLIENT', 'NOSUCH');
      const fields = fieldsOf((await ask(client, 'INFO', 'everything')) as string);
      expect(fields.get('connected_clients')).to.equal('1');
      expect(fields.get('db0')).to.equal('keys=1,expires=0,avg_ttl=0');
      await client.expect(['SET', 'short', 'x', 'EX', '100'], '+OK\r\n');
      const later = String(await ask(client, 'INFO', 'keyspace'));
      expect(later).to.contain('db0:keys=2,expires=1,avg_ttl=0');
      expect(fields.get('cmdstat_get')).to.equal('calls=1,rejected_calls=0,failed_calls=0');
      expect(fields.get('cmdstat_client')).to.equal('calls=1,rejected_calls=0,failed_calls=1');
      expect(fields.get('cluster_enabled')).to.equal('1');
      expect(fields.get('rdb_shards_led')).to.equal('4');
      expect(Number(fields.get('used_memory'))).to.be.greaterThan(0);
      expect(Number(fields.get('total_net_input_bytes'))).to.be.greaterThan(50);
    }));
});
