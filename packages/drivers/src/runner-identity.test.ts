import { formatIdentity, isKnownGone, ownIdentity, parseIdentity, type RunnerIdentity } from './runner-identity.js';

const own: RunnerIdentity = { machine: 'm1', boot: 'b2', pidNamespace: 'pid:[1]', pid: 100, startTicks: '5000' };
const processes = new Map([
  [100, '5000'],
  [200, '6000'],
]);

describe('the identity of a runner', () => {
  it('is parsed from a label as it was formatted', () => {
    expect(parseIdentity(formatIdentity(own))).toEqual(own);
    expect(parseIdentity(formatIdentity(ownIdentity()))).toEqual(ownIdentity());
  });

  it.each(['', 'ab12', 'a/b/c/1', 'a/b/c/1/2/3'])('is not read from %p', (label) => {
    expect(parseIdentity(label)).toBeUndefined();
  });

  it.each`
    story                                      | change                                   | gone
    ${'a live runner beside this one'}         | ${{ pid: 200, startTicks: '6000' }}      | ${false}
    ${'a runner that was killed'}              | ${{ pid: 300, startTicks: '1' }}         | ${true}
    ${'a runner whose process id was reused'}  | ${{ pid: 200, startTicks: '7' }}         | ${true}
    ${'a runner from before the last boot'}    | ${{ boot: 'b1' }}                        | ${true}
    ${'a runner in another process namespace'} | ${{ pidNamespace: 'pid:[2]', pid: 300 }} | ${false}
    ${'a runner on another machine'}           | ${{ machine: 'm2', boot: 'b9' }}         | ${false}
  `('shows that $story is gone: $gone', ({ change, gone }) => {
    expect(isKnownGone({ ...own, ...change }, own, (pid) => processes.get(pid))).toBe(gone);
  });

  it('recognizes this process as alive', () => {
    expect(isKnownGone(ownIdentity(), ownIdentity())).toBe(false);
  });
});
