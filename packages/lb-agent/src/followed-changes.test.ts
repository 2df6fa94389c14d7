import { FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import { CachedLookup } from './lookup/function-lookup.js';
import type { ChangeListener, FunctionSource, SourceChange } from './lookup/function-source.js';

RecordedMetrics.install();

const LIMITS = { memoryMb: 128, timeoutS: 30, idleTimeoutS: 30 };
type Things = { apps: Map<string, object>; fns: Map<string, object>; triggers: Map<string, object> };

let clock: FakeClock;
let source: FollowedSource;
let lookup: CachedLookup;
const caller = () => new AbortController().signal;
beforeEach(() => {
  clock = new FakeClock();
  source = new FollowedSource();
  lookup = new CachedLookup(source, clock);
});
afterEach(async () => {
  await lookup.close();
  await clock.advance(0);
  expect(clock.pendingTimers).toBe(0);
});

const byId = (id = 'fn1') => lookup.byId(id, caller());
const byTrigger = (appName = 'shop', path = '/hot') => lookup.byTrigger(appName, path, caller());
const image = (id = 'fn1') =>
  byId(id).then(
    ({ fn }) => fn.image,
    (error) => error.code,
  );
const triggered = (appName = 'shop', path = '/hot') =>
  byTrigger(appName, path).then(
    ({ template }) => template.fn.id,
    (error) => error.code,
  );
const change = (kind: SourceChange['kind'], action: SourceChange['action'], more: Partial<SourceChange> = {}) => {
  const id = { app: 'app1', fn: 'fn1', trigger: 'trigger1' }[kind];
  const name = { app: 'shop', fn: 'cart', trigger: 'hot' }[kind];
  const sources = kind === 'trigger' ? ['/hot'] : undefined;
  return { kind, action, id, appId: 'app1', name, sources, ...more };
};
const report = async (...changes: SourceChange[]) => {
  source.listener?.onChanges(changes);
  await clock.advance(0);
};

describe('a change that is reported', () => {
  it('of a function in use is there for the next call, which does not wait', async () => {
    await image();
    source.fns.set('fn1', { ...source.fns.get('fn1'), image: 'new' });
    expect(await image()).toBe('shop/cart:1');
    await report(change('fn', 'updated'));
    expect(lookup.known('fn1')?.fn.image).toBe('new');
    expect(source.asked).toEqual(['fn fn1', 'app app1', 'fn fn1']);
  });

  it('of an app in use is there for the next call', async () => {
    await image();
    source.apps.set('app1', { ...source.apps.get('app1'), config: { A: '2' } });
    await report(change('app', 'updated'));
    expect(lookup.known('fn1')?.app.config).toEqual({ A: '2' });
  });

  it('of a trigger in use is there for the next call, at its old and its new path', async () => {
    expect([await triggered(), await triggered('shop', '/new')]).toEqual(['fn1', 'triggerNotFound']);
    source.triggers.set('/new', { ...source.triggers.get('/hot'), source: '/new', fnId: 'fn2' });
    source.triggers.delete('/hot');
    await report(change('trigger', 'updated', { sources: ['/hot', '/new'] }));
    expect([await triggered(), await triggered('shop', '/new')]).toEqual(['triggerNotFound', 'fn2']);
  });

  it('of many functions costs as many requests at a time as other refreshes; the others are looked up when called', async () => {
    for (let n = 0; n < 100; n += 1) {
      source.fns.set(`f${n}`, { ...source.fns.get('fn1'), id: `f${n}` });
      await image(`f${n}`);
    }
    source.hold();
    source.asked.length = 0;
    await report(...Array.from({ length: 100 }, (_, n) => change('fn', 'updated', { id: `f${n}` })));
    expect(source.asked).toHaveLength(16);
    source.letGo();
    await clock.advance(0);
    expect(await image('f99')).toBe('shop/cart:1');
    expect(source.asked).toHaveLength(17);
  });

  it('many times of one function costs one request', async () => {
    await image();
    await report(...Array.from({ length: 1_000 }, () => change('fn', 'updated')));
    expect(source.asked.filter((asked) => asked === 'fn fn1')).toHaveLength(2);
  });

  it('of a function that nobody called costs nothing', async () => {
    await report(change('fn', 'updated'), change('app', 'updated'), change('trigger', 'updated'));
    expect(source.asked).toEqual([]);
  });

  it.each`
    what            | look                               | changes
    ${'an app'}     | ${() => triggered('new', '/hot')}  | ${[change('app', 'created', { id: 'app2', appId: 'app2', name: 'new' })]}
    ${'a trigger'}  | ${() => triggered('shop', '/new')} | ${[change('trigger', 'created', { sources: ['/new'] })]}
    ${'a function'} | ${() => image('fn9')}              | ${[change('fn', 'created', { id: 'fn9' })]}
  `('makes $what callable that was just not there', async ({ look, changes }) => {
    expect(await look()).toMatch(/NotFound/);
    source.apps.set('app2', { ...source.apps.get('app1'), id: 'app2', name: 'new' });
    source.fns.set('fn9', { ...source.fns.get('fn1'), id: 'fn9' });
    source.triggers.set('/new', { ...source.triggers.get('/hot'), source: '/new' });
    if (changes[0].kind === 'app') {
      source.triggers.set('/hot', { ...source.triggers.get('/hot'), appId: 'app2' });
      source.fns.set('fn1', { ...source.fns.get('fn1'), appId: 'app2' });
    }
    expect(await look()).toMatch(/NotFound/);
    await report(...changes);
    expect(await look()).not.toMatch(/NotFound/);
  });
});

describe('what is reported as deleted', () => {
  beforeEach(async () => {
    await triggered();
    await image('fn2');
    source.isAway = true;
  });

  it.each`
    what            | report                          | fn1                    | fn2                    | hot
    ${'a trigger'}  | ${change('trigger', 'deleted')} | ${'shop/cart:1'}       | ${'shop/cart:1'}       | ${'lookupUnavailable'}
    ${'a function'} | ${change('fn', 'deleted')}      | ${'lookupUnavailable'} | ${'shop/cart:1'}       | ${'lookupUnavailable'}
    ${'an app'}     | ${change('app', 'deleted')}     | ${'lookupUnavailable'} | ${'lookupUnavailable'} | ${'lookupUnavailable'}
  `('$what, is used no more even if no API node answers, with all that belongs to it', async (row) => {
    await report(row.report);
    await clock.advance(5_000);
    expect([await image(), await image('fn2'), await triggered()]).toEqual([row.fn1, row.fn2, row.hot]);
  });

  it('and made anew under the same name, is there', async () => {
    source.isAway = false;
    source.apps.clear();
    source.apps.set('app9', { id: 'app9', name: 'shop', config: {}, annotations: {} });
    source.fns.set('fn9', { ...source.fns.get('fn1'), id: 'fn9', appId: 'app9' });
    source.triggers.set('/hot', { ...source.triggers.get('/hot'), appId: 'app9', fnId: 'fn9' });
    await report(change('app', 'deleted'), change('app', 'created', { id: 'app9', appId: 'app9' }));
    expect(await triggered()).toBe('fn9');
  });
});

describe('C5: a lookup under way while a change is reported', () => {
  it.each`
    reported                            | report
    ${'an update'}                      | ${() => report(change('fn', 'updated'))}
    ${'the creation'}                   | ${() => report(change('fn', 'created'))}
    ${'the deletion'}                   | ${() => report(change('fn', 'deleted'))}
    ${'the deletion of the app'}        | ${() => report(change('app', 'deleted'))}
    ${'that anything may have changed'} | ${async () => source.listener?.onReset()}
  `('serves those who wait for it, and no later call: $reported', async ({ report: tell }) => {
    source.hold();
    const before = image();
    await clock.advance(0);
    source.fns.set('fn1', { ...source.fns.get('fn1'), image: 'new' });
    await tell();
    const after = image();
    await clock.advance(0);
    source.letGo();
    expect([await before, await after, await image()]).toEqual(['shop/cart:1', 'new', 'new']);
  });
});

describe('what is outdated', () => {
  it('by an update serves on while no API node answers, and is looked up as soon as one does', async () => {
    await image();
    source.isAway = true;
    await report(change('fn', 'updated'));
    expect(await image()).toBe('shop/cart:1');
    source.isAway = false;
    source.fns.set('fn1', { ...source.fns.get('fn1'), image: 'new' });
    await clock.advance(1_000);
    expect(await image()).toBe('new');
  });

  it('by a reset is looked up by the next call, and serves on while no API node answers', async () => {
    await triggered();
    source.isAway = true;
    source.listener?.onReset();
    expect(await triggered()).toBe('fn1');
    source.isAway = false;
    source.fns.set('fn1', { ...source.fns.get('fn1'), image: 'new' });
    source.listener?.onReset();
    expect(await image()).toBe('new');
  });
});

/** A source that reports changes when a test says so. */
class FollowedSource implements FunctionSource, Things {
  readonly asked: string[] = [];
  readonly apps = new Map<string, object>([['app1', { id: 'app1', name: 'shop', config: {}, annotations: {} }]]);
  readonly fns = new Map<string, object>(
    ['fn1', 'fn2'].map((id) => [
      id,
      { id, name: id, appId: 'app1', image: 'shop/cart:1', ...LIMITS, config: {}, annotations: {} },
    ]),
  );
  readonly triggers = new Map<string, object>([
    [
      '/hot',
      { id: 'trigger1', name: 'hot', appId: 'app1', annotations: {}, fnId: 'fn1', type: 'http', source: '/hot' },
    ],
  ]);
  listener: ChangeListener | undefined;
  isAway = false;
  private gate: PromiseWithResolvers<void> | undefined;

  follow(listener: ChangeListener): void {
    this.listener = listener;
  }

  hold(): void {
    this.gate = Promise.withResolvers();
  }

  letGo(): void {
    this.gate?.resolve();
    this.gate = undefined;
  }

  async appIdByName(name: string): Promise<string> {
    const app = await this.answer(`name ${name}`, () =>
      [...this.apps.values()].find((one) => 'name' in one && one.name === name),
    );
    if (app === undefined) throw new FnError('appNotFound');
    return (app as { id: string }).id;
  }

  async app(id: string) {
    return this.found(await this.answer(`app ${id}`, () => this.apps.get(id)), 'appNotFound') as never;
  }

  async fn(id: string) {
    return this.found(await this.answer(`fn ${id}`, () => this.fns.get(id)), 'fnNotFound') as never;
  }

  async trigger(appId: string, path: string) {
    const find = () => [this.triggers.get(path)].find((one) => one && 'appId' in one && one.appId === appId);
    return this.found(await this.answer(`trigger ${path}`, find), 'triggerNotFound') as never;
  }

  async close(): Promise<void> {}

  /** Reads at once, and answers later while held. */
  private async answer<T>(what: string, read: () => T): Promise<T> {
    this.asked.push(what);
    if (this.isAway) throw new FnError('lookupUnavailable');
    const value = read();
    await this.gate?.promise;
    return value;
  }

  private found(value: object | undefined, code: 'appNotFound' | 'fnNotFound' | 'triggerNotFound'): object {
    if (value === undefined) throw new FnError(code);
    return value;
  }
}
