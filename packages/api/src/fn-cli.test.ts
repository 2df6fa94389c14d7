import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeClock, VERSION } from '@fnfleet/core';
import { TestApi } from './test-kit/test-api.js';

interface RecordedCommand {
  readonly command: string;
  readonly requests: readonly RecordedRequest[];
}

interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly status: number;
  readonly answer?: object;
}

/** What the unmodified `fn` command sent to a Fn server 0.3.753, and what that server answered. */
const commands: RecordedCommand[] = JSON.parse(readFileSync(join(__dirname, '..', 'fixtures', 'fn-cli.json'), 'utf8'));

/** What a server is free to choose: ids and dates (the zero date is not one of them). */
const CHOSEN = /01[0-9A-HJKMNP-TV-Z]{24}|20\d\d-\d\d-\d\dT[\d:.]+Z/g;

/** Where the balancers were when the recording was made. */
const FN_PUBLIC_LB_URL = 'http://127.0.0.1:57411';

describe('what the fn command sends', () => {
  const clock = new FakeClock();
  /** What this server chose for each id and date of the recording. */
  const chosen = new Map<string, string>([['0.3.753', VERSION]]);
  let api: TestApi;

  beforeAll(async () => {
    api = await TestApi.start({ clock, env: { FN_PUBLIC_LB_URL } });
    await api.app('checks'); // was there when the recording began
  });
  afterAll(() => api.close());

  const translated = (text: string) =>
    text.replace(/0\.3\.753/, VERSION).replace(CHOSEN, (recorded) => chosen.get(recorded) ?? recorded);

  function learn(recorded: string, actual: string): void {
    const mine = actual.match(CHOSEN) ?? [];
    for (const [i, token] of (recorded.match(CHOSEN) ?? []).entries()) {
      const own = mine[i];
      if (own !== undefined && !chosen.has(token)) chosen.set(token, own);
    }
  }

  it.each(commands)('http-api 113-116: $command', async ({ requests }) => {
    for (const { method, path, body, status, answer } of requests) {
      await clock.advance(10);
      const reply = await api.send(method, translated(path), body && translated(JSON.stringify(body)));

      const recorded = answer === undefined ? '' : JSON.stringify(answer);
      learn(recorded, reply.text);
      expect(`${method} ${path} ${reply.status} ${reply.text.trim()}`).toBe(
        `${method} ${path} ${status} ${translated(recorded)}`,
      );
    }
  });

  it('was replayed completely', () => {
    expect(commands).toHaveLength(31);
    expect(new Set(chosen.values()).size).toBe(chosen.size);
  });
});
