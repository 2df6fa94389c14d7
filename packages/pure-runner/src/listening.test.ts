import { connect } from 'node:net';
import { fn } from '@fnfleet/drivers';
import { PREFACE, settingsFrame } from '@fnfleet/testing';
import { TestRunner, type TestRunnerOptions } from './test-kit/test-runner.js';

const echo = fn((request, response) => request.pipe(response));

let runner: TestRunner;
afterEach(() => runner.close());

async function start(options: Partial<TestRunnerOptions>): Promise<void> {
  runner = await TestRunner.start({ functions: { echo }, ...options });
  // The balancer is connected, and has said so.
  expect(await runner.balancer.unary('Status')).toMatchObject({ failed: false });
}

/** What becomes of one more connection that says hello. */
function another(from: string): Promise<string> {
  const { address: host, port } = runner.runner.address;
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress: from }, () =>
      socket.write(Buffer.concat([Buffer.from(PREFACE), settingsFrame()])),
    );
    socket.on('error', () => resolve('closed')).once('close', () => resolve('closed'));
    socket.once('data', () => {
      resolve('open');
      socket.destroy();
    });
  });
}

it.each`
  options                            | same        | other
  ${{ maxConnections: 1 }}           | ${'closed'} | ${'closed'}
  ${{ maxConnectionsPerAddress: 1 }} | ${'closed'} | ${'open'}
  ${{}}                              | ${'open'}   | ${'open'}
`(
  'with $options, a second connection from the address of a balancer is $same, one from another address $other',
  async ({ options, same, other }) => {
    await start(options);
    expect([await another('127.0.0.1'), await another('127.0.0.7')]).toEqual([same, other]);
    expect((await runner.run({ image: 'echo' }, 'x')).kinds).toEqual(['resultStart', 'data', 'finished']);
  },
);

it.each(['127.0.0.1:0', '[127.0.0.1]:0'])('listens at %s: brackets are allowed around any address', async (listen) => {
  await start({ listen });
  expect(runner.runner.address).toMatchObject({ address: '127.0.0.1', port: expect.any(Number) });
});
