import { type ServerCommand, word } from './command.ts';

/** HELLO [protover [AUTH username password] [SETNAME clientname]] */
export const hello: ServerCommand = {
  name: 'HELLO',
  arity: -1,
  run: ({ arguments: given, connection, services, reply }) => {
    let protocol = connection.client.protocol;
    let name: string | undefined;
    if (given.length > 1) {
      const wanted = given[1]?.toString('latin1') ?? '';
      if (!/^-?\d+$/.test(wanted)) {
        return reply.error('ERR Protocol version is not an integer or out of range');
      }
      if (wanted !== '2' && wanted !== '3') {
        return reply.error('NOPROTO unsupported protocol version');
      }
      protocol = wanted === '3' ? 3 : 2;
    }
    for (let index = 2; index < given.length; index++) {
      const option = word(given[index]);
      const left = given.length - index - 1;
      if (option === 'AUTH' && left >= 2) {
        return reply.error(
          'WRONGPASS invalid username-password pair or user is disabled: ' +
            'this cluster has no authentication, leave AUTH out',
        );
      }
      if (option === 'SETNAME' && left >= 1) {
        name = (given[++index] ?? '').toString('utf8');
        const problem = clientNameProblem(name);
        if (problem !== undefined) {
          return reply.error(problem);
        }
      } else {
        const shown = (given[index] ?? '').toString('latin1').slice(0, 128);
        return reply.error(`ERR Syntax error in HELLO option '${shown}'`);
      }
    }
    connection.setProtocol(protocol);
    if (name !== undefined) {
      connection.client.name = name;
    }
    // The answer is in the protocol just chosen.
    const answer = reply.as(protocol);
    answer.map(7);
    answer.bulk('server');
    answer.bulk('r_db');
    answer.bulk('version');
    answer.bulk(services.identity.version);
    answer.bulk('proto');
    answer.integer(protocol);
    answer.bulk('id');
    answer.integer(connection.client.id);
    answer.bulk('mode');
    answer.bulk('cluster');
    answer.bulk('role');
    answer.bulk('master');
    answer.bulk('modules');
    answer.array(0);
    return undefined;
  },
};

/** What Redis says about a name that would break the lines of CLIENT LIST. */
export function clientNameProblem(name: string): string | undefined {
  return /^[!-~]*$/.test(name)
    ? undefined
    : 'ERR Client names cannot contain spaces, newlines or special characters.';
}
