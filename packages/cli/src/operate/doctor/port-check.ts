import { createServer } from 'node:net';
import { type Finding, fail, ok } from './finding.js';

export interface PortToCheck {
  /** The setting that gives it. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  /** Asks whoever has the port. @returns who of ours it is, undefined: somebody else */
  readonly whoIsThere: () => Promise<string | undefined>;
}

/** Whether a node could listen there, or does already. */
export async function checkPort({ setting, host, port, whoIsThere }: PortToCheck): Promise<Finding[]> {
  if (port === 0) return [ok('port', `${setting}: any that is free`)];
  const problem = await tryToListen(host, port);
  if (problem === undefined) return [ok('port', `${setting}: ${host}:${port} is free`)];
  if (problem.code === 'EADDRINUSE') {
    const who = await whoIsThere().catch(() => undefined);
    if (who !== undefined) return [ok('port', `${setting}: ${host}:${port} has ${who}`)];
    return [
      fail(
        'port',
        `${setting}: ${host}:${port} is taken by something else`,
        `end it (ss -ltnp "sport = :${port}" tells what it is), or choose another ${setting}`,
      ),
    ];
  }
  return [
    fail('port', `${setting}: nobody can listen on ${host}:${port}: ${problem.message}`, remedyFor(problem, setting)),
  ];
}

function remedyFor({ code }: NodeJS.ErrnoException, setting: string): string {
  if (code === 'EACCES') return `choose a ${setting} from 1024 on, or grant CAP_NET_BIND_SERVICE`;
  if (code === 'EADDRNOTAVAIL')
    return 'set FN_BIND_ADDRESS to an address of this machine (ip address tells which there are)';
  return 'set FN_BIND_ADDRESS to an address of this machine';
}

function tryToListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
