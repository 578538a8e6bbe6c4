import { settings as schema, settingKeys } from '../../config/schema.ts';
import type { Services } from '../context.ts';
import { container, type Subcommand } from './command.ts';
import { globToExpression } from './glob.ts';

/** Redis' names for what clients and tools ask of it, answered from the node's own settings. */
function parameters(services: Services): ReadonlyMap<string, string> {
  const settings = services.settings();
  const found = new Map<string, string>([
    ['appendonly', 'no'],
    ['bind', settings.bindAddress],
    ['cluster-enabled', 'yes'],
    ['databases', '1'],
    ['maxclients', String(settings.connectionsMax)],
    ['maxmemory', String(services.budgetBytes)],
    ['maxmemory-policy', 'noeviction'],
    ['port', String(settings.respPort)],
    ['proto-max-bulk-len', String(settings.valueBytesMax)],
    ['save', ''],
    ['tcp-keepalive', '300'],
    ['timeout', '0'],
  ]);
  for (const key of settingKeys) {
    // The seed of the hash stays with the nodes: who knows it can make keys that collide.
    if (key !== 'hashSeed') {
      found.set(schema[key].name.toLowerCase(), String(settings[key] ?? ''));
    }
  }
  return found;
}

const get: Subcommand = {
  name: 'GET',
  arity: -3,
  usage: '<pattern> [<pattern> ...]',
  help: ['Return parameters matching the glob-like <pattern>s and their values.'],
  run: ({ arguments: given, services, reply }) => {
    const patterns = given
      .slice(2)
      .map((pattern) => globToExpression(pattern.toString('latin1').toLowerCase()));
    const found = [...parameters(services)].filter(([name]) =>
      patterns.some((pattern) => pattern.test(name)),
    );
    reply.map(found.length);
    for (const [name, value] of found) {
      reply.bulk(name);
      reply.bulk(value);
    }
  },
};

const set: Subcommand = {
  name: 'SET',
  arity: -4,
  usage: '<parameter> <value>',
  help: ['Refused: settings come from the RDbCluster.'],
  run: ({ reply }) =>
    reply.error(
      'ERR settings of a node come from its RDbCluster: change that, CONFIG SET is not there',
    ),
};

export const config = container('CONFIG', [get, set]);
