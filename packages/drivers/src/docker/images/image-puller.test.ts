import { CancelledError, Deferred, systemClock } from '@fnfleet/core';
import { ImagePuller } from './image-puller.js';
import { parseImageReference } from './image-reference.js';

const never = new AbortController().signal;
const hello = parseImageReference('a/hello:1');

/** Downloads that end when the test says so. */
function downloads() {
  const begun: { key: string; done: Deferred<void>; signal: AbortSignal }[] = [];
  const puller = new ImagePuller(({ repository, tag }, _auth, signal) => {
    const done = new Deferred<void>();
    begun.push({ key: `${repository}:${tag}`, done, signal });
    return done.promise;
  }, systemClock);
  return { begun, puller };
}

describe('concurrent pulls of one image', () => {
  it('agent-and-docker 62: share one download for each image', async () => {
    const { begun, puller } = downloads();
    const images = [hello, parseImageReference('a/hello:2')];
    const pulls = Array.from({ length: 20 }, (_, index) => puller.pull(images[index % 2] ?? hello, undefined, never));
    expect(begun.map(({ key }) => key)).toEqual(['a/hello:1', 'a/hello:2']);
    for (const { done } of begun) done.resolve();
    await Promise.all(pulls);
  });

  it('agent-and-docker 62: all fail when the download fails, and the next pull tries again', async () => {
    const { begun, puller } = downloads();
    const pulls = Promise.allSettled(Array.from({ length: 10 }, () => puller.pull(hello, undefined, never)));
    begun[0]?.done.reject(new Error('denied'));
    expect((await pulls).map((result) => result.status === 'rejected' && result.reason.message)).toEqual(
      Array(10).fill('denied'),
    );
    void puller.pull(hello, undefined, never);
    expect(begun).toHaveLength(2);
    begun[1]?.done.resolve();
  });

  it('continue when the first caller aborts, and end when the last one does', async () => {
    const { begun, puller } = downloads();
    const [first, second] = [new AbortController(), new AbortController()];
    const pulls = [puller.pull(hello, undefined, first.signal), puller.pull(hello, undefined, second.signal)];
    first.abort();
    await expect(pulls[0]).rejects.toBeInstanceOf(CancelledError);
    expect(begun[0]?.signal.aborted).toBe(false);
    second.abort();
    await expect(pulls[1]).rejects.toBeInstanceOf(CancelledError);
    expect(begun[0]?.signal.aborted).toBe(true);
  });

  it('are separate for different credentials', async () => {
    const { begun, puller } = downloads();
    const shown = [{ registrytoken: 'a' }, { registrytoken: 'b' }, undefined, { registrytoken: 'a' }];
    const pulls = shown.map((auth) => puller.pull(hello, auth, never));
    expect(begun).toHaveLength(3);
    for (const { done } of begun) done.resolve();
    await Promise.all(pulls);
  });

  it('do not begin for a caller that has aborted', async () => {
    const { begun, puller } = downloads();
    await expect(puller.pull(hello, undefined, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError);
    expect(begun).toEqual([]);
  });
});
