import { FnError, RecordedMetrics } from '@fnfleet/core';
import { exitsAtStart, fn, rawFn, type ScriptedContainer } from '@fnfleet/drivers';
import { NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();

describe('operators, but not callers, see how a function ended', () => {
  let test: TestAgent;

  beforeEach(() => metrics.reset());
  afterEach(async () => {
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  async function failureOf(image: string): Promise<FnError> {
    const { done } = await test.invoke({ image, memoryMb: 64 });
    const error = await done.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof FnError)) throw new Error(`not a failure of the function: ${error}`);
    return error;
  }

  it.each`
    how                                | exit                                    | detail
    ${'by itself'}                     | ${{ exitCode: 9 }}                      | ${'exit code 9'}
    ${'with a success code'}           | ${{ exitCode: 0 }}                      | ${'exit code 0'}
    ${'in a crash'}                    | ${{ exitCode: 139 }}                    | ${'ended by SIGSEGV'}
    ${'killed from outside'}           | ${{ exitCode: 137 }}                    | ${'ended by SIGKILL'}
    ${'over its memory limit'}         | ${{ exitCode: 137, outOfMemory: true }} | ${'killed: over 64 MiB'}
    ${'with a code that is no signal'} | ${{ exitCode: 255 }}                    | ${'exit code 255'}
  `('it ends $how during a call: $detail', async ({ exit, detail }) => {
    const ends = fn((req, _res, container: ScriptedContainer) => req.resume() && container.exit(exit));
    test = new TestAgent({ ends });
    const { message, detail: reported } = await failureOf('ends');
    expect([message, reported]).toEqual(['error receiving function response', detail]);
  });

  it('it exits during its response', async () => {
    const breaks = fn((req, res, container: ScriptedContainer) => {
      req.resume();
      res.setHeader('Content-Length', 100);
      res.write('half', () => container.exit({ exitCode: 134 }));
    });
    test = new TestAgent({ breaks });
    const { message, detail } = await failureOf('breaks');
    expect([message, detail]).toEqual(['function response ended early', 'ended by SIGABRT']);
  });

  it('it exits before it accepts a call', async () => {
    test = new TestAgent({ ends: exitsAtStart(127) });
    const { message, detail } = await failureOf('ends');
    expect(message).toMatch(/^Container failed to initialize/);
    expect(detail).toBe('exit code 127');
  });

  it('a function that only closes its connection has no exit to report', async () => {
    test = new TestAgent({ rude: rawFn((socket) => socket.once('data', () => socket.destroy())) });
    const { message, detail } = await failureOf('rude');
    expect([message, detail]).toEqual(['error receiving function response', '']);
  });
});
