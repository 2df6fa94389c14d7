// takes: 6 s
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock, type FnError } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { ApiClient, type ApiClientOptions } from './api-client.js';
import { ApiSource } from './api-source.js';

const FN = {
  id: 'fn1',
  name: 'cart',
  app_id: 'app1',
  image: 'shop/cart:1',
  memory: 128,
  timeout: 30,
  idle_timeout: 30,
};
const caller = () => new AbortController().signal;

/** An API node that can be put into any state. */
class Node {
  asked = 0;
  behaviour: (res: ServerResponse) => void = answering(200, FN);
  private readonly server = http.createServer((_req, res) => {
    this.asked += 1;
    this.behaviour(res);
  });

  async start(port = 0): Promise<this> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function answering(status: number, body: unknown) {
  return (res: ServerResponse) =>
    void res.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
}
const hangs = () => undefined;
const hangsInBody = (res: ServerResponse) => void res.writeHead(200).write('{"id":');
/** Never silent for long, and never done. */
function trickles(res: ServerResponse): void {
  const timer = setInterval(() => res.write(' '), 50);
  res.once('close', () => clearInterval(timer));
  res.writeHead(200).flushHeaders();
}
const breaks = (res: ServerResponse) => void res.destroy();

let clock: FakeClock;
let nodes: Node[];
let client: ApiClient;
let source: ApiSource;
beforeEach(async () => {
  clock = new FakeClock();
  nodes = [await new Node().start(), await new Node().start(), await new Node().start()];
  use(nodes.map((node) => node.address).join(','));
});
afterEach(async () => {
  await source.close();
  await Promise.all(nodes.map((node) => node.close()));
  expect(clock.pendingTimers).toBe(0);
});

function use(urls: string, options: Partial<ApiClientOptions> = {}): void {
  client = new ApiClient(urls, { clock, random: () => 0, ...options });
  source = new ApiSource(client);
}

const [first, second, third] = [0, 1, 2].map((at) => () => nodes[at] as Node) as [() => Node, () => Node, () => Node];
const asked = () => nodes.map((node) => node.asked);
const look = () =>
  source.fn('fn1', caller()).then(
    (fn) => fn.name,
    (error: FnError) => error.code,
  );
/** The outcome of a lookup, and for how long it waited. */
async function outcomeOf(looking: Promise<string>): Promise<{ outcome: string; waitedMs: number }> {
  const from = clock.now();
  let outcome: string | undefined;
  void looking.then((result) => {
    outcome = result;
  });
  while (outcome === undefined) {
    // Time stands still while the network is at work: both ends are in this process, and each turn reads what has arrived.
    // Real time is short, as the sockets measure it: a node that hangs is given up after ten seconds.
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (let turns = 0; turns < 50 && outcome === undefined; turns += 1) await new Promise(setImmediate);
    if (outcome === undefined && clock.pendingTimers > 0) await clock.advance(25);
  }
  return { outcome, waitedMs: clock.now() - from };
}

describe('a balancer that knows several API nodes', () => {
  it('stays with one of them while that one answers', async () => {
    for (let n = 0; n < 5; n += 1) expect(await look()).toBe('cart');
    expect(asked()).toEqual([5, 0, 0]);
  });

  it('does not begin with the first of the list, so that balancers spread over them', async () => {
    await source.close();
    use(nodes.map((node) => node.address).join(' , '), { random: () => 0.5 });
    expect(await look()).toBe('cart');
    expect(asked()).toEqual([0, 1, 0]);
  });

  it.each`
    what                                | behaviour
    ${'answers 500'}                    | ${answering(500, 'no')}
    ${'breaks connections'}             | ${breaks}
    ${'refuses the balancer'}           | ${answering(403, '{"message":"no"}')}
    ${'answers with a web page'}        | ${answering(200, '<html>Welcome</html>')}
    ${'answers 404 with a web page'}    | ${answering(404, '<html>Not Found</html>')}
    ${'is a node of another kind'}      | ${answering(404, '{"message":"Path not found: GET /v2/fns/fn1"}')}
    ${'answers with another function'}  | ${answering(200, { ...FN, id: 'fn2' })}
    ${'answers with a broken function'} | ${answering(200, { id: 'fn1', memory: 'lots' })}
    ${'redirects'}                      | ${answering(302, '')}
  `('uses the next one at once when one $what, and stays with it', async ({ behaviour }) => {
    first().behaviour = behaviour;
    const from = clock.now();
    expect([await look(), await look()]).toEqual(['cart', 'cart']);
    expect(clock.now()).toBe(from);
    expect(asked()).toEqual([1, 2, 0]);
  });

  it('trusts a node that answers that a function does not exist', async () => {
    first().behaviour = answering(404, { message: 'Fn not found' });
    expect(await look()).toBe('fnNotFound');
    expect(asked()).toEqual([1, 0, 0]);
  });

  it.each`
    what                        | behaviour
    ${'hangs'}                  | ${hangs}
    ${'hangs inside an answer'} | ${hangsInBody}
  `('loses half a second, once, to a node that $what', async ({ behaviour }) => {
    first().behaviour = behaviour;
    expect(await outcomeOf(look())).toEqual({ outcome: 'cart', waitedMs: 500 });
    expect(await outcomeOf(look())).toEqual({ outcome: 'cart', waitedMs: 0 });
    expect(asked()).toEqual([1, 2, 0]);
  });

  it('loses half a second for all lookups together, however many wait for a node that hangs', async () => {
    first().behaviour = trickles;
    const held: ServerResponse[] = [];
    second().behaviour = (res) => void held.push(res);
    const looking = Array.from({ length: 100 }, look);
    await eventually(() => expect(asked()).toEqual([100, 0, 0]));
    await clock.advance(500);
    await eventually(() => expect(asked()).toEqual([100, 16, 0]));
    // The first answer of the second one shows that the first one hangs.
    second().behaviour = answering(200, FN);
    for (const res of held) answering(200, FN)(res);
    expect(new Set(await Promise.all(looking))).toEqual(new Set(['cart']));
    expect(clock.now()).toBe(500);
    expect(asked()).toEqual([100, 100, 0]);
  });

  it('queries more than one node for at most 16 lookups when all nodes are slow', async () => {
    const held: ServerResponse[] = [];
    for (const node of nodes) node.behaviour = (res) => void held.push(res);
    const looking = Array.from({ length: 100 }, look);
    await eventually(() => expect(asked()).toEqual([100, 0, 0]));
    await clock.advance(500);
    await eventually(() => expect(asked()).toEqual([100, 16, 0]));
    await clock.advance(5_000);
    await eventually(() => expect(asked()).toEqual([100, 16, 16]));
    for (const res of held) answering(200, FN)(res);
    expect(new Set(await Promise.all(looking))).toEqual(new Set(['cart']));
    // Each is as slow as the others.
    for (const node of nodes) node.behaviour = answering(200, FN);
    expect(await look()).toBe('cart');
    expect(asked()).toEqual([101, 16, 16]);
  });

  it('tries each once before it pauses, and fails when none has answered in six rounds', async () => {
    for (const node of nodes) node.behaviour = answering(503, 'away');
    const looking = source.fn('fn1', caller()).catch((error: FnError) => (error.cause as Error).message);
    const { outcome } = await outcomeOf(looking.then(String));
    for (const node of nodes) expect(outcome).toContain(`http://${node.address}: GET /v2/fns/fn1: 503 away`);
    expect(asked()).toEqual([6, 6, 6]);
  });

  it('tries a node that failed only after the others until its pause is over, which is longer the second time', async () => {
    first().behaviour = breaks;
    await look();
    second().behaviour = breaks;
    expect(await look()).toBe('cart');
    expect(asked()).toEqual([1, 2, 1]);
    first().behaviour = answering(200, FN);
    third().behaviour = breaks;
    // All three have failed; the first has rested longest.
    expect(await look()).toBe('cart');
    expect(asked()).toEqual([2, 2, 2]);
  });

  it('switches when the node in use is gone, and keeps serving when another one returns', async () => {
    const { address } = first();
    await first().close();
    expect(await look()).toBe('cart');
    await second().close();
    await third().close();
    nodes = [await new Node().start(Number(address.split(':')[1]))];
    expect(await look()).toBe('cart');
  });

  it('reports the state of each', async () => {
    second().behaviour = answering(403, '{"message":"no"}');
    expect(await client.status(3_000)).toEqual([
      { url: `http://${first().address}`, inUse: true },
      { url: `http://${second().address}`, inUse: false, trouble: 'GET /v2/apps?per_page=1: 403 {"message":"no"}' },
      { url: `http://${third().address}`, inUse: false },
    ]);
  });
});

describe('a pool of API nodes', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'api-nodes-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is read, and its changes take effect', async () => {
    const file = join(folder, 'api');
    await writeFile(file, `${second().address}\nnonsense\n`);
    await source.close();
    use(`file://${file}`);
    expect((await outcomeOf(look())).outcome).toBe('cart');
    expect(asked()).toEqual([0, 1, 0]);
    await writeFile(file, `${third().address}\n`);
    await eventually(async () => {
      // A reading may be under way that meets the file half written.
      await clock.advance(10_000);
      await look();
      expect(third().asked).toBeGreaterThan(0);
    });
  });

  it('that cannot be read fails lookups with the reason', async () => {
    await source.close();
    use(`file://${folder}/missing`);
    const looking = source.fn('fn1', caller()).catch((error: FnError) => (error.cause as Error).message);
    expect((await outcomeOf(looking.then(String))).outcome).toMatch(/no API node is known: .*ENOENT/);
  });
});

it.each`
  value                       | message
  ${'http://a:1,http://a:1'}  | ${'FN_RUNNER_API_URL: http://a:1 is listed twice'}
  ${'http://a:1,'}            | ${'FN_RUNNER_API_URL: no host specified for client, got ""'}
  ${'http://a:1,ftp://b'}     | ${'FN_RUNNER_API_URL: no host specified for client, got "ftp://b"'}
  ${'dns://api'}              | ${'FN_RUNNER_API_URL: expected dns://name:port'}
  ${'static://user:secret@,'} | ${'FN_RUNNER_API_URL: expected static://host:port,host:port'}
`('$value is rejected', ({ value, message }) => {
  expect(() => new ApiClient(value, { clock })).toThrow(message);
});
