import type { Server } from 'node:net';
import { describeDriver } from '../testing/describe-driver.js';
import { script } from '../testing/test-functions.js';
import { exitsAtStart, fn, type ScriptedFunction } from './scripted-container.js';
import { ScriptedDriver } from './scripted-driver.js';

const FN_LISTENER = 'unix:';

interface Knobs {
  readonly exitCode?: number;
  readonly sleepMs?: number;
  readonly stdout?: readonly string[];
  readonly stderr?: readonly string[];
}

async function probe(): Promise<ScriptedFunction> {
  const { offer } = await script<{ offer(server: Server, listener: string, kind: string): Promise<void> }>(
    'e2e/functions/probe/listen.mjs',
  );
  return {
    ...fn((request, response, container) => {
      const { exitCode, sleepMs, stdout = [], stderr = [] } = JSON.parse(String(request.headers.probe)) as Knobs;
      for (const line of stdout) container.print(`${line}\n`);
      for (const line of stderr) container.print(`${line}\n`, 'stderr');
      if (exitCode !== undefined) return container.exit({ exitCode });
      if (sleepMs === undefined) response.end('{}');
    }),
    offer: (server, path, { env }) => offer(server, `${FN_LISTENER}${path}`, env.PROBE_SOCKET ?? 'socket'),
  };
}

describeDriver('scripted', async (iofsPath) => {
  const driver = new ScriptedDriver({ functions: { probe: await probe(), exits: exitsAtStart(3) }, iofsPath });
  return {
    driver,
    image: 'probe',
    exits: { image: 'exits' },
    leftovers: async () => driver.containers.map(({ id }) => id),
  };
});
