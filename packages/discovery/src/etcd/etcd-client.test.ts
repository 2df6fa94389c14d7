import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock, type Logger, silentLogger } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { parsePoolUrl } from '../pool-url.js';
import { base64, EtcdClient, rangeOf } from './etcd-client.js';
import { EtcdRegistration } from './etcd-registration.js';
import { parseEtcdUrl } from './etcd-url.js';

const never = new AbortController().signal;

/** Timeout for a member, milliseconds. */
const ANSWER_MS = 5_000;

/** Returns what the timer that was set last is for. */
class WatchedClock extends FakeClock {
  lastDelayMs = 0;

  override after(...parts: Parameters<FakeClock['after']>) {
    [this.lastDelayMs] = parts;
    return super.after(...parts);
  }
}

let clock: WatchedClock;
let members: Member[];
beforeEach(() => {
  clock = new WatchedClock();
  members = [];
});
afterEach(async () => {
  await Promise.all(members.map((member) => member.close()));
  expect(clock.pendingTimers).toBe(0);
});

/** A cluster of fake members. */
async function cluster(size: number): Promise<void> {
  for (let i = 0; i < size; i += 1) members.push(await Member.start());
}

const place = (user = '') =>
  parseEtcdUrl(parsePoolUrl(`etcd://${user}${members.map(({ address }) => address)}/runners`));
const client = (user?: string) => new EtcdClient(place(user), clock);
const asked = () => members.map(({ requests }) => requests.length);

describe('a cluster of several members', () => {
  it('uses one of them as long as it answers', async () => {
    await cluster(3);
    const etcd = client();
    for (let i = 0; i < 3; i += 1) await etcd.call('/v3/x', {}, never);
    expect(asked()).toEqual([3, 0, 0]);
  });

  it('moves on when a member fails, and uses the next one first from then on', async () => {
    await cluster(3);
    members[0]?.answers(500);
    const etcd = client();
    expect(await etcd.call('/v3/x', { a: 1 }, never)).toEqual({ by: members[1]?.address });
    await etcd.call('/v3/x', {}, never);
    expect(asked()).toEqual([1, 2, 0]);
    expect(members[1]?.requests[0]).toMatchObject({ path: '/v3/x', body: { a: 1 } });
  });

  it('reports the failure of the last member when all fail, each asked once', async () => {
    await cluster(3);
    for (const member of members) member.answers(503);
    await expect(client().call('/v3/x', {}, never)).rejects.toThrow(`http://${members[2]?.address} answers 503`);
    expect(asked()).toEqual([1, 1, 1]);
  });

  it('continues with the first member after the last', async () => {
    await cluster(2);
    const etcd = client();
    members[0]?.answers(500, 1);
    await etcd.call('/v3/x', {}, never);
    members[1]?.answers(500, 1);
    expect(await etcd.call('/v3/x', {}, never)).toEqual({ by: members[0]?.address });
  });

  it.each`
    status | asks
    ${400} | ${[1, 0]}
    ${499} | ${[1, 0]}
    ${500} | ${[1, 1]}
  `('an answer of $status: the requests are $asks', async ({ status, asks }) => {
    await cluster(2);
    members[0]?.answers(status);
    await client()
      .call('/v3/x', {}, never)
      .catch(() => undefined);
    expect(asked()).toEqual(asks);
  });

  it('asks no other member after the caller has left', async () => {
    await cluster(2);
    members[0]?.answers('hang');
    const caller = new AbortController();
    const call = client().call('/v3/x', {}, caller.signal);
    await eventually(() => expect(asked()).toEqual([1, 0]));
    caller.abort(new Error('left'));
    await expect(call).rejects.toThrow('left');
    expect(asked()).toEqual([1, 0]);
  });

  it('leaves a member that hangs after five seconds', async () => {
    await cluster(2);
    members[0]?.answers('hang');
    const call = client().call('/v3/x', {}, never);
    await eventually(() => expect(asked()).toEqual([1, 0]));
    await clock.advance(ANSWER_MS);
    expect(await call).toEqual({ by: members[1]?.address });
  });

  it('sends requests for the same member to no other', async () => {
    await cluster(2);
    members[0]?.answers(500);
    await expect(client().callSame('/v3/x', {}, never)).rejects.toThrow('answers 500');
    expect(asked()).toEqual([1, 0]);
  });
});

describe('with a user', () => {
  const paths = () => members[0]?.requests.map(({ path, token }) => `${path} ${token ?? '-'}`);

  it('a token is fetched first, and sent from then on', async () => {
    await cluster(1);
    const etcd = client('lb:secret@');
    await etcd.call('/v3/x', {}, never);
    await etcd.call('/v3/y', {}, never);
    expect(paths()).toEqual(['/v3/auth/authenticate -', '/v3/x token1', '/v3/y token1']);
    expect(members[0]?.requests[0]?.body).toEqual({ name: 'lb', password: 'secret' });
  });

  it('an expired token is replaced, and the request repeated', async () => {
    await cluster(1);
    const etcd = client('lb:secret@');
    await etcd.call('/v3/x', {}, never);
    members[0]?.answers(401, 1);
    await etcd.call('/v3/y', {}, never);
    expect(paths()?.slice(2)).toEqual(['/v3/y token1', '/v3/auth/authenticate -', '/v3/y token2']);
  });

  it('any other rejection is not about the token', async () => {
    await cluster(1);
    const etcd = client('lb:secret@');
    await etcd.call('/v3/x', {}, never);
    members[0]?.answers(403, 1);
    await expect(etcd.call('/v3/y', {}, never)).rejects.toThrow('answers 403');
    expect(paths()?.slice(2)).toEqual(['/v3/y token1']);
  });

  it('the token is tested before a watch, because a stream cannot be repeated', async () => {
    await cluster(1);
    const etcd = client('lb:secret@');
    const news = await etcd.watch(rangeOf('/runners/'), 7n, never);
    for await (const one of news) expect(one).toEqual({ by: members[0]?.address });
    expect(paths()).toEqual(['/v3/auth/authenticate -', '/v3/kv/range token1', '/v3/watch token1']);
    expect(members[0]?.requests[2]?.body).toEqual({
      create_request: { key: base64('/runners/'), range_end: base64('/runners0'), start_revision: '7' },
    });
  });

  it('without a user a watch is one request', async () => {
    await cluster(1);
    for await (const _ of await client().watch(rangeOf('/runners/'), 1n, never));
    expect(paths()).toEqual(['/v3/watch -']);
  });
});

describe('a runner that registers', () => {
  let said: string[];
  let registration: EtcdRegistration;

  /** Starts to register an address for nine seconds at a time. */
  async function register(): Promise<void> {
    await cluster(1);
    said = [];
    const say = (level: string) => (what: string) => said.push(`${level}: ${what.split(':')[0]}`);
    const log = {
      ...silentLogger,
      info: say('info'),
      warn: say('warn'),
      error: say('error'),
      child: () => log,
    } as Logger;
    registration = new EtcdRegistration({
      place: place(),
      address: 'a:9190',
      ttlS: 9,
      clock,
      random: () => 1,
      logger: log,
    });
  }

  const paths = () => members[0]?.requests.map(({ path }) => path.replace('/v3/', ''));
  /** The registration sleeps until its next check. */
  const rests = () =>
    eventually(() => expect([clock.pendingTimers, clock.lastDelayMs === ANSWER_MS]).toEqual([1, false]));

  it('requests a lease, writes its entry, and renews both three times during the lease', async () => {
    await register();
    registration.start();
    await rests();
    expect(paths()).toEqual(['lease/grant', 'kv/put']);
    const [grant, put] = members[0]?.requests ?? [];
    expect(grant?.body).toEqual({ TTL: '9' });
    expect(put?.body).toEqual({ key: base64('/runners/a:9190'), value: base64('a:9190'), lease: 'lease1' });
    await clock.advance(2_999);
    expect(paths()).toHaveLength(2);
    await clock.advance(1);
    await rests();
    expect(paths()?.slice(2)).toEqual(['lease/keepalive', 'kv/txn']);
    expect(said).toEqual(['info: registered']);
    await registration.close();
    expect(paths()?.slice(4)).toEqual(['lease/revoke']);
    expect(said.slice(1)).toEqual(['info: registration withdrawn']);
  });

  it('replaces a lost lease at once, and logs it', async () => {
    await register();
    registration.start();
    await rests();
    if (members[0]) members[0].leaseTtl = '0';
    await clock.advance(3_000);
    await rests();
    expect(paths()?.slice(2)).toEqual(['lease/keepalive', 'lease/grant', 'kv/put']);
    expect(said.slice(1)).toEqual(['warn: registration lease lost, registering again', 'info: registered']);
    await registration.close();
    expect(members[0]?.requests.at(-1)?.body).toEqual({ ID: 'lease2' });
  });

  it('logs another runner at its address once, and again after it was gone', async () => {
    await register();
    registration.start();
    await rests();
    const looks = async (owner: string | undefined) => {
      if (members[0]) members[0].owner = owner;
      await clock.advance(3_000);
      await rests();
    };
    for (const owner of ['lease1', 'other', 'other', undefined, 'other']) await looks(owner);
    const told = 'error: another runner has registered the same address';
    expect(said).toEqual(['info: registered', told, told]);
    await registration.close();
  });

  it('logs trouble once, and its end once', async () => {
    await register();
    members[0]?.answers(500, 2);
    registration.start();
    for (let i = 0; i < 2; i += 1) {
      await rests();
      await clock.advance(3_000);
    }
    await rests();
    expect(said).toEqual(['warn: cannot register', 'info: registered', 'info: registration restored']);
    await registration.close();
  });

  it('logs that a server is not etcd', async () => {
    await register();
    if (members[0]) members[0].leases = false;
    registration.start();
    await rests();
    expect(paths()).toEqual(['lease/grant']);
    expect(said).toEqual(['warn: cannot register']);
    await registration.close();
    expect(paths()).toEqual(['lease/grant']);
  });

  it('logs that the entry will expire when it cannot be withdrawn', async () => {
    await register();
    registration.start();
    await rests();
    members[0]?.answers(500);
    await registration.close();
    await registration.close();
    expect(said.slice(1)).toEqual(['warn: cannot withdraw the registration, it expires with its lease']);
    expect(paths()?.slice(2)).toEqual(['lease/revoke']);
  });
});

interface Request {
  readonly path: string;
  readonly body: unknown;
  readonly token: string | undefined;
}

/** A fake member of etcd that records requests and answers as told. */
class Member {
  readonly requests: Request[] = [];
  leaseTtl = '9';
  /** Whether it grants leases, as etcd does. */
  leases = true;
  /** The lease of the existing entry. */
  owner: string | undefined;
  private outcome: number | 'hang' = 200;
  private times = Number.POSITIVE_INFINITY;
  private tokens = 0;
  private granted = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Member> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const member = new Member(server);
    server.on('request', async (req, res) => {
      const text = (await req.toArray()).join('');
      const path = req.url ?? '';
      member.requests.push({ path, body: JSON.parse(text), token: req.headers.authorization });
      member.answer(path, res);
    });
    return member;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Fails a number of times, with this status or without an answer. */
  answers(outcome: number | 'hang', times = Number.POSITIVE_INFINITY): void {
    this.outcome = outcome;
    this.times = times;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(path: string, res: ServerResponse): void {
    const outcome = this.times > 0 ? this.outcome : 200;
    this.times -= 1;
    if (outcome === 'hang') return;
    res.writeHead(outcome).end(`${JSON.stringify(outcome === 200 ? this.answerOf(path) : { message: 'no' })}\n`);
  }

  private answerOf(path: string): object {
    switch (path) {
      case '/v3/auth/authenticate':
        this.tokens += 1;
        return { token: `token${this.tokens}` };
      case '/v3/lease/grant':
        this.granted += 1;
        this.leaseTtl = '9';
        return this.leases ? { ID: `lease${this.granted}` } : {};
      case '/v3/lease/keepalive':
        return { result: { TTL: this.leaseTtl } };
      case '/v3/kv/txn':
        return { responses: [{ response_range: { kvs: this.owner === undefined ? [] : [{ lease: this.owner }] } }] };
      default:
        return { by: this.address };
    }
  }
}
