import { createServer } from 'node:net';
import { type Finding, fail, ok } from './finding.js';

export interface PortToCheck {
  /** The setting that defines the port. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  /** Queries the process that listens there. @returns which node of ours it is; undefined if it is none of ours */
  readonly whoIsThere: () => Promise<string | undefined>;
}

/** Checks whether a node could listen on a port, or already does. */
export async function checkPort({ setting, host, port, whoIsThere }: PortToCheck): Promise<Finding[]> {
  if (port === 0) return [ok('port', `${setting}: any free port`)];
  const problem = await tryToListen(host, port);
  if (problem === undefined) return [ok('port', `${setting}: ${host}:${port} is free`)];
  if (problem.code === 'EADDRINUSE') {
    const who = await whoIsThere().catch(() => undefined);
    if (who !== undefined) return [ok('port', `${setting}: ${host}:${port} is used by ${who}`)];
    return [
      fail(
        'port',
        `${setting}: ${host}:${port} is in use by another process`,
        `stop it (ss -ltnp "sport = :${port}" shows it), or choose another ${setting}`,
      ),
    ];
  }
  return [
    fail('port', `${setting}: cannot listen on ${host}:${port}: ${problem.message}`, remedyFor(problem, setting)),
  ];
}

function remedyFor({ code }: NodeJS.ErrnoException, setting: string): string {
  if (code === 'EACCES') return `set ${setting} to 1024 or above, or grant CAP_NET_BIND_SERVICE`;
  if (code === 'EADDRNOTAVAIL') return 'set FN_BIND_ADDRESS to an address of this machine (ip address lists them)';
  return 'set FN_BIND_ADDRESS to an address of this machine';
}

function tryToListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
