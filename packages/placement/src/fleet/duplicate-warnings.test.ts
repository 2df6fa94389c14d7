import type { LoadReport, RunnerAbout } from '@fnfleet/protocol';
import { duplicateWarnings } from './duplicate-warnings.js';

const runner = (address: string, instanceId?: string, name?: string) => ({
  address,
  load: instanceId === undefined ? undefined : ({ instanceId } as LoadReport),
  identity: name === undefined ? undefined : { about: { name } as RunnerAbout, clockSkewMs: 0, uncertaintyMs: 0 },
});

it('finds nothing in a correct fleet, nor in one of Fn', () => {
  expect(duplicateWarnings([runner('a:1', 'x', 'box-1'), runner('b:1', 'y', 'box-2')])).toEqual([]);
  expect(duplicateWarnings([runner('a:1'), runner('b:1'), runner('c:1', '', '')])).toEqual([]);
});

it('finds a runner that is listed under two addresses, once', () => {
  const found = duplicateWarnings([runner('a:1', 'x', 'box-1'), runner('10.0.0.1:1', 'x', 'box-1')]);
  expect(found).toEqual([
    'a:1 and 10.0.0.1:1 are the same runner, which gets a share of calls for each: list it once (FN_RUNNER_ADDRESSES, or the ' +
      'source in FN_RUNNER_POOL)',
  ]);
});

it('finds runners that have the same name', () => {
  const found = duplicateWarnings([runner('a:1', 'x', 'box'), runner('b:1', 'y', 'other'), runner('c:1', 'z', 'box')]);
  expect(found).toEqual(['a:1 and c:1 have the same name "box": give each its own FN_RUNNER_NAME']);
});
