import dns from 'node:dns';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type ScriptedRunner, startScriptedRunner, TEST_LINK } from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

let peer: ScriptedRunner;
let runner: Runner;
let front: Awaited<ReturnType<typeof startFront>>;

beforeEach(async () => {
  peer = await startScriptedRunner(() => undefined, { status: { active: 7 } });
});
afterEach(async () => {
  await runner.close();
  await front.close();
  await peer.close();
});

it('a name is resolved again for each new connection', async () => {
  front = await startFront('127.0.0.1', peer.address);
  const asked: string[] = [];
  const lookup = jest.spyOn(dns, 'lookup').mockImplementation(((host: string, _options: object, found: Found) => {
    asked.push(host);
    found(null, [{ address: '127.0.0.1', family: 4 }]);
  }) as unknown as typeof dns.lookup);
  try {
    runner = newGrpcRunner(`runner.test:${front.port}`, TEST_LINK);
    expect(await runner.status()).toMatchObject({ active: 7 });
    expect(await runner.status()).toMatchObject({ active: 7 });
    expect(asked).toEqual(['runner.test']);
    front.drop();
    await expect(retried(() => runner.status())).resolves.toMatchObject({ active: 7 });
    expect(asked).toEqual(['runner.test', 'runner.test']);
  } finally {
    lookup.mockRestore();
  }
});

it('an IPv6 address can be connected to', async () => {
  front = await startFront('::1', peer.address);
  runner = newGrpcRunner(`[::1]:${front.port}`, TEST_LINK);
  expect(await runner.status()).toMatchObject({ active: 7 });
});

type Found = (error: null, addresses: { address: string; family: number }[]) => void;

/** The first attempt may still use the connection that was just lost. */
async function retried<T>(act: () => Promise<T>): Promise<T> {
  return act().catch(act);
}

/** Forwards connections to the runner, and drops them on request. */
async function startFront(host: string, target: string) {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    const [targetHost, port] = target.split(':');
    const onward = connect(Number(port), targetHost);
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined).on('close', () => sockets.delete(end));
    }
    socket.pipe(onward).pipe(socket);
    socket.on('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    drop,
    close: async () => {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
