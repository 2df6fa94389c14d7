// needs: root, ip, dnsmasq
// takes: 31 s
import { setTimeout as sleep } from 'node:timers/promises';
import { DnsServer, until } from '@fnfleet/testing';
import { HostFleet } from './harness/host-fleet.js';
import { type Answer, invoke } from './harness/invoke.js';
import { Load } from './harness/load.js';
import type { NetHost } from './harness/net-bed.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const CONTAINERS = 4;
/** Two of three runners with room for four can serve them. */
const CLIENTS = 6;
const SLEEP_MS = 50;
const KEEPALIVE_TIMEOUT_MS = 2_000;
/** A connection is looked at four times in that time, and the last look may just have been. */
const NOTICED_MS = 1.5 * KEEPALIVE_TIMEOUT_MS;
/** However busy the machine is. Whoever only waits for the network notices nothing for minutes. */
const BUSY_MS = 10_000;

interface Served {
  readonly runner: string;
  /** Every runner that it was offered to, and that it was not. */
  readonly explained: string;
  readonly at: number;
  readonly ms: number;
}

describe('hosts in a network whose cables are cut without a word', () => {
  let fleet: HostFleet;
  let url: string;
  let served: Served[] = [];

  beforeAll(async () => {
    fleet = await HostFleet.start({
      runners: 3,
      settings: {
        FN_MAX_TOTAL_MEMORY_BYTES: `${CONTAINERS * 128 * MIB}`,
        FN_ENABLE_NB_RESOURCE_TRACKER: '1',
        FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS: `${KEEPALIVE_TIMEOUT_MS}`,
        FN_SLOW_START_MSECS: '1000',
        FN_RUNNER_PROBE_MSECS: '500',
      },
    });
    url = await fleet.deployed({ name: 'sleeper', memory: 128 });
    await everyRunnerServes();
  });

  afterAll(async () => {
    expect(await fleet?.stop()).toEqual([]);
  });

  async function call(id: string): Promise<Answer> {
    const from = Date.now();
    const answer = await invoke(url, {
      body: '{}',
      knobs: { sleepMs: SLEEP_MS, mark: id },
      headers: { 'Fn-Explain': '1' },
    });
    const explained = String(answer.headers['fn-explain']);
    const [, runner = ''] = /runner=([^:;]+)/.exec(explained) ?? [];
    served.push({ runner, explained, at: from, ms: Date.now() - from });
    return answer;
  }

  /** With as many calls as there is room for. */
  async function everyRunnerServes(): Promise<void> {
    for (;;) {
      const answers = await Promise.all(
        Array.from({ length: 3 * CONTAINERS }, (_, at) => call(`warm-${at}-${Math.random()}`)),
      );
      expect(answers.map(({ status }) => status)).not.toContain(500);
      const runners = new Set(served.slice(-3 * CONTAINERS).map(({ runner }) => runner));
      if (fleet.runners.every(({ address }) => runners.has(address))) return;
    }
  }

  /** Load before, while and after something is wrong with a runner, and what became of the calls. */
  async function through(title: string, runner: NetHost, breakIt: () => Promise<void>): Promise<void> {
    served = [];
    const load = new Load(CLIENTS, (id) => call(`${runner.name}-${id}`));
    await load.untilAnswered(150);
    const from = Date.now();
    await breakIt();
    await fleet.sees(runner, 'silent');
    const noticedMs = Date.now() - from;
    await sleep(NOTICED_MS);
    const until = Date.now();
    const { answered, failed } = await load.end();
    await runner.heal();
    const seen = fleet.begun();
    const innocent = failed.filter(({ id }) => !seen.has(`${runner.name}-${id}`));
    const twice = [...seen].filter(([, times]) => times > 1);
    const elsewhere = served.filter((one) => one.runner !== runner.address);
    const offeredThere = new RegExp(`asked=.*${runner.address}:\\d+ (?!skipped)`);
    const moved = elsewhere.filter(
      ({ explained, at, ms }) => at + ms >= from && ms >= KEEPALIVE_TIMEOUT_MS / 2 && offeredThere.test(explained),
    );
    const others = elsewhere.filter((one) => !moved.includes(one));
    const before = others.filter(({ at, ms }) => at + ms < from);
    const during = others.filter(({ at }) => at >= from && at < until);
    const slowest = Math.max(...moved.map(({ ms }) => ms), 0);
    print(
      [
        `${title}, which was noticed after ${noticedMs} ms: ${answered} calls answered, ${failed.length} failed that had started, ${innocent.length} that had not;`,
        `${moved.length} moved to others, after ${slowest} ms at most;`,
        `others p50 ${percentile(before, 50)} → ${percentile(during, 50)} ms, p99 ${percentile(before, 99)} → ${percentile(during, 99)} ms`,
      ].join(' '),
    );
    // The cut may fall between the receipt for `started` leaving the balancer and its arrival: such a call fails although it
    // did not start, and nobody can know. Calls that start in the same turn of the event loop share a receipt.
    expect(innocent.length).toBeLessThanOrEqual(2);
    expect(twice).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(CONTAINERS);
    expect(noticedMs).toBeLessThan(BUSY_MS);
    // Each client meets it once, and nobody else waits for the one that is gone.
    expect(failed.length + moved.length).toBeLessThanOrEqual(CLIENTS);
    expect(percentile(during, 50)).toBeLessThan(KEEPALIVE_TIMEOUT_MS / 2);
    expect(slowest).toBeLessThan(BUSY_MS);

    await fleet.sees(runner, 'ok');
    await everyRunnerServes();
  }

  it('a runner that is cut off costs no call that had not started, but for those whose receipt was on its way, and others keep their latency', async () => {
    const runner = fleet.runner(0);
    await through('runner cut off', runner, () => runner.cut());
  });

  it('nor does one that hears but is not heard: what it could not announce it does not start', async () => {
    const runner = fleet.runner(1);
    await through('runner muted', runner, () => runner.mute());
  });

  it('a runner on a slow line stays in use', async () => {
    const runner = fleet.runner(2);
    served = [];
    await runner.slow(800);
    const load = new Load(3 * CONTAINERS, (id) => call(`slow-${id}`));
    await load.untilAnswered(300);
    const { answered, failed } = await load.end();
    await runner.heal();
    const there = served.filter((one) => one.runner === runner.address);
    print(
      `runner on 800 kbit/s: ${answered} calls answered, ${failed.length} failed; ${there.length} there, p50 ${percentile(there, 50)} ms`,
    );
    expect(failed).toEqual([]);
    expect(there.length).toBeGreaterThan(0);
  });
});

describe('hosts that are found by DNS', () => {
  const TIMEOUTS = {
    FN_RUNNER_KEEPALIVE_TIMEOUT_MSECS: `${KEEPALIVE_TIMEOUT_MS}`,
    FN_BALANCER_KEEPALIVE_TIMEOUT_MSECS: `${KEEPALIVE_TIMEOUT_MS}`,
  };
  let dns: DnsServer;
  let fleet: HostFleet;
  let url: string;

  const listed = (...runners: NetHost[]) => dns.serves({ 'runners.test': runners.map(({ address }) => address) });

  beforeAll(async () => {
    fleet = await HostFleet.start({
      runners: 2,
      settings: { ...TIMEOUTS, FN_DRAIN_GRACE_MSECS: '2000' },
      async pool(bed, [first]) {
        dns = await DnsServer.start({ host: bed.outside });
        if (first) await listed(first);
        return `dns://runners.test:9190?server=${dns.address}`;
      },
    });
    url = await fleet.deployed({ name: 'probe', memory: 128 });
  });

  afterAll(async () => {
    const left = await fleet?.stop();
    await dns?.close();
    expect(left).toEqual([]);
  });

  it('a name that leads to another host takes all calls there, and none fails', async () => {
    const [first, second] = [fleet.runner(0), fleet.runner(1)];
    const runners: string[] = [];
    const load = new Load(2, async () => {
      const answer = await invoke(url, { knobs: { sleepMs: SLEEP_MS }, headers: { 'Fn-Explain': '1' } });
      runners.push(/runner=([^:;]+)/.exec(String(answer.headers['fn-explain']))?.[1] ?? '');
      return answer;
    });
    await load.untilAnswered(20);
    await listed(first, second);
    await fleet.knows([first, second]);
    await listed(second);
    await fleet.knows([second]);
    await load.untilAnswered(20);
    const { answered, failed } = await load.end();
    print(`address changed in DNS: ${answered} calls answered, ${failed.length} failed`);
    expect(failed).toEqual([]);
    expect(new Set(runners.slice(0, 10))).toEqual(new Set([first.address]));
    expect(new Set(runners.slice(-10))).toEqual(new Set([second.address]));
  });

  it('a balancer that is cut off leaves nothing running: its runner gives up on it', async () => {
    const runner = fleet.runner(1);
    const gone = new AbortController();
    const lost = invoke(url, { knobs: { sleepMs: 60_000 }, signal: gone.signal }).catch(() => undefined);
    await until({ what: 'a call', look: async () => (await fleet.inHand(runner)) === 1 || undefined });
    await fleet.balancer?.cut();
    const from = Date.now();
    await until({ what: 'its end', look: async () => (await fleet.inHand(runner)) === 0 || undefined });
    print(`balancer cut off: its call had ended after ${Date.now() - from} ms`);
    expect(Date.now() - from).toBeLessThan(BUSY_MS);
    gone.abort();
    await lost;
    await fleet.balancer?.heal();
    expect((await invoke(url)).status).toBe(200);
  });
});

function percentile(calls: readonly Served[], percent: number): number {
  const sorted = calls.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

/** For whoever reads the log of the tests. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
