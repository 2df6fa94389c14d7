import { FnError, wallMs } from '@fnfleet/core';
import { newApp, newFn, newTrigger } from '@fnfleet/core/resources';
import { KEPT_CHANGES } from '../../datastore/change-log.js';
import type { Datastore } from '../../datastore/datastore.js';
import { openTestDatastore, type TestDatabase, testDatabase } from '../test-database.js';

describe('a datastore', () => {
  let database: TestDatabase;
  let store: Datastore;

  beforeEach(async () => {
    database = await testDatabase();
    store = await openTestDatastore(database);
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  const addApp = (name: string) => store.apps.insert(newApp({ name }, `id-${name}`, wallMs(1)));
  const addFn = (name: string, appId: string) =>
    store.fns.insert(newFn({ name, appId, image: 'i' }, `id-${name}`, wallMs(1)));
  const addTrigger = (name: string, appId: string, fnId: string, source: string) =>
    store.triggers.insert(newTrigger({ name, appId, fnId, type: 'http', source }, `id-${name}`, wallMs(1)));

  async function since(position: string, limit = 100) {
    const changes = await store.changes.after(position, limit);
    return changes?.map(({ position: _, ...change }) => change);
  }

  /** A promise of the next time that subscribers are woken. */
  function nextWake(of = store): Promise<void> {
    return new Promise((resolve) => {
      const unsubscribe = of.changes.subscribe(() => {
        unsubscribe();
        resolve();
      });
    });
  }

  describe('the change log', () => {
    it('has every change in order, and what each concerns', async () => {
      const start = await store.changes.latest();
      expect(await since(start)).toEqual([]);

      await addApp('a');
      await addFn('f', 'id-a');
      await addTrigger('t', 'id-a', 'id-f', '/old');
      await store.apps.update('id-a', (app) => ({ ...app, config: { A: '1' } }));
      await store.fns.update('id-f', (fn) => ({ ...fn, memoryMb: 256 }));
      await store.triggers.update('id-t', (trigger) => ({ ...trigger, name: 't2' }));
      await store.triggers.update('id-t', (trigger) => ({ ...trigger, source: '/new' }));
      await store.triggers.remove('id-t');

      const ofApp = { kind: 'app', id: 'id-a', appId: 'id-a', name: 'a' };
      const ofFn = { kind: 'fn', id: 'id-f', appId: 'id-a', name: 'f' };
      const ofTrigger = { kind: 'trigger', id: 'id-t', appId: 'id-a' };
      expect(await since(start)).toEqual([
        { action: 'created', ...ofApp },
        { action: 'created', ...ofFn },
        { action: 'created', ...ofTrigger, name: 't', sources: ['/old'] },
        { action: 'updated', ...ofApp },
        { action: 'updated', ...ofFn },
        { action: 'updated', ...ofTrigger, name: 't2', sources: ['/old'] },
        { action: 'updated', ...ofTrigger, name: 't2', sources: ['/old', '/new'] },
        { action: 'deleted', ...ofTrigger, name: 't2', sources: ['/new'] },
      ]);
    });

    it('records one change when an app or a function is deleted with what belongs to it', async () => {
      await addApp('a');
      await addFn('f', 'id-a');
      await addFn('g', 'id-a');
      await addTrigger('t', 'id-a', 'id-f', '/t');
      const start = await store.changes.latest();
      await store.fns.remove('id-f');
      await store.apps.remove('id-a');
      expect(await since(start)).toMatchObject([
        { action: 'deleted', kind: 'fn', id: 'id-f' },
        { action: 'deleted', kind: 'app', id: 'id-a' },
      ]);
    });

    it('does not record what changed nothing, what failed, or what was not permitted', async () => {
      await addApp('a');
      await addFn('f', 'id-a');
      await addTrigger('t', 'id-a', 'id-f', '/t');
      const start = await store.changes.latest();
      const refuse = () => {
        throw new FnError('appNameImmutable');
      };
      const outcomes = await Promise.allSettled([
        store.apps.update('id-a', (app) => app),
        store.fns.update('id-f', (fn) => fn),
        store.triggers.update('id-t', (trigger) => trigger),
        addApp('a'),
        addFn('f', 'id-a'),
        addTrigger('u', 'id-a', 'id-f', '/t'),
        store.apps.remove('nope'),
        store.apps.update('id-a', refuse),
        store.apps.remove('id-a', refuse),
        store.fns.remove('id-f', refuse),
        store.triggers.remove('id-t', refuse),
      ]);
      expect(outcomes.map(({ status }) => status).filter((status) => status === 'fulfilled')).toHaveLength(3);
      expect(await since(start)).toEqual([]);
      // Nothing of it was done.
      expect(await store.triggers.bySource('id-a', 'http', '/t')).toMatchObject({ name: 't', fnId: 'id-f' });
    });

    it('shows the current item to a condition of its removal', async () => {
      const app = await addApp('a');
      const seen: unknown[] = [];
      await store.apps.remove('id-a', (current) => seen.push(current));
      expect(seen).toEqual([app]);
    });

    it('is read in pages, from any position', async () => {
      const start = await store.changes.latest();
      for (const name of ['a', 'b', 'c']) await addApp(name);
      const [first, second] = (await store.changes.after(start, 2)) ?? [];
      expect([first?.name, second?.name]).toEqual(['a', 'b']);
      expect(await since(second?.position ?? '')).toMatchObject([{ name: 'c' }]);
      expect(await since(await store.changes.latest())).toEqual([]);
    });

    it('does not know positions that it never gave', async () => {
      await addApp('a');
      const long = ['9'.repeat(400), 'x'.repeat(100_000)];
      for (const position of ['', '-', '1', '1-', '0-', '99-x', '-1-x', '1e3-x', '0-\0', ...long, `${long[0]}-x`]) {
        expect([position, await since(position)]).toEqual([position, undefined]);
      }
    });

    it('does not know positions of a database that was restored and changed since', async () => {
      await addApp('a');
      const kept = await store.changes.latest();
      await addApp('lost');
      const lost = await store.changes.latest();
      await database.exec("delete from apps where name = 'lost'", `delete from fnfleet_changes where name = 'lost'`);

      expect(await since(lost)).toBeUndefined();
      await addApp('other');
      expect(await since(lost)).toBeUndefined();
      expect(await since(kept)).toMatchObject([{ name: 'other' }]);
    });

    it('keeps a limited number of changes', async () => {
      const start = await store.changes.latest();
      await addApp('a');
      const first = await store.changes.latest();
      await database.exec(
        `insert into fnfleet_changes select ${KEPT_CHANGES - 1}, 'x', kind, action, item_id, app_id, name, sources
       from fnfleet_changes where seq = 1`,
      );
      expect(await since(start)).toHaveLength(2);
      await addApp('b');
      expect(await since(start)).toBeUndefined();
      expect(await since(first)).toHaveLength(2);
    });

    it('survives the loss of all its rows', async () => {
      const start = await store.changes.latest();
      await database.exec('delete from fnfleet_changes');
      const empty = await store.changes.latest();
      expect(await since(start)).toBeUndefined();
      await addApp('a');
      expect(await since(empty)).toBeUndefined();
      expect(await since(await store.changes.latest())).toEqual([]);
    });
  });

  describe('subscribers of the change log', () => {
    it('are woken by a change in this process, until they unsubscribe or the store is closed', async () => {
      let woken = 0;
      const unsubscribe = store.changes.subscribe(() => {
        woken += 1;
      });
      await addApp('a');
      expect(woken).toBeGreaterThan(0);
      unsubscribe();
      unsubscribe();
      const before = woken;
      await addApp('b');
      expect(woken).toBe(before);

      store.changes.subscribe(() => {
        woken += 1;
      });
      await store.close();
      const closed = woken;
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(woken).toBe(closed);
    });

    it('are woken by a change in another process, and find it', async () => {
      const other = await openTestDatastore(database);
      const start = await other.changes.latest();
      for (const name of ['a', 'b']) {
        // The subscription may begin with a call without a change.
        const found = (async () => {
          for (;;) {
            const wake = nextWake(other);
            const changes = (await other.changes.after(start, 10)) ?? [];
            if (changes.some((change) => change.name === name)) return;
            await wake;
          }
        })();
        await addApp(name);
        await found;
      }
      await other.close();
    });
  });
});
