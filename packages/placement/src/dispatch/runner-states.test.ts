import { PeerError } from '@fnfleet/core';
import type { FakeRunner } from '../fake-runner.js';
import { BUSY, FleetFixture } from '../fleet/test-fixture.js';
import { statusLine } from './fleet-status.js';

const PROBLEM = new Error('connect ECONNREFUSED 10.0.0.1:9190');

function repeat(times: number, act: () => void): void {
  for (let i = 0; i < times; i += 1) act();
}

it.each`
  what                                       | happens                                                                                                                                                 | state            | reason
  ${'that answers'}                          | ${() => undefined}                                                                                                                                      | ${'ok'}          | ${undefined}
  ${'that is full'}                          | ${(fixture: FleetFixture) => fixture.call(0, BUSY)}                                                                                                     | ${'ok'}          | ${undefined}
  ${'whose engine is down'}                  | ${(fixture: FleetFixture) => fixture.tell(0, { degraded: true, degradedReason: 'the engine hangs' })}                                                   | ${'ok'}          | ${'the engine hangs'}
  ${'that is degraded and does not say why'} | ${(fixture: FleetFixture) => fixture.tell(0, { degraded: true })}                                                                                       | ${'ok'}          | ${'cannot create containers'}
  ${'that refuses connections'}              | ${(fixture: FleetFixture) => fixture.at(0).onProbeUnreachable(PROBLEM)}                                                                                 | ${'unreachable'} | ${PROBLEM.message}
  ${'that lost a call'}                      | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'lost', error: PROBLEM })}                                                      | ${'unreachable'} | ${PROBLEM.message}
  ${'that a call could not reach'}           | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'unreachable', error: PROBLEM })}                                               | ${'unreachable'} | ${PROBLEM.message}
  ${'that is unresponsive'}                  | ${(fixture: FleetFixture) => Object.assign(fixture.runners[0] as FakeRunner, { isUnresponsive: true })}                                                 | ${'silent'}      | ${'a keepalive PING is still unanswered'}
  ${'that drains'}                           | ${(fixture: FleetFixture) => fixture.tell(0, { draining: true })}                                                                                       | ${'draining'}    | ${'takes no new calls'}
  ${'that is cordoned'}                      | ${(fixture: FleetFixture) => fixture.fleet.setCordoned('r0', true)}                                                                                     | ${'cordoned'}    | ${'cordoned on this balancer by an operator'}
  ${'that is closed'}                        | ${(fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'closed', error: PROBLEM })}                                                    | ${'gone'}        | ${'closed'}
  ${'that fails calls'}                      | ${(fixture: FleetFixture) => repeat(5, () => fixture.call(0, { kind: 'failed', blame: 'runner', error: new PeerError(500, 'disk full', 'platform') }))} | ${'ejected'}     | ${'calls fail on it: disk full'}
`('operators see a runner $what as $state', ({ happens, state, reason }) => {
  const fixture = new FleetFixture(10);
  happens(fixture);
  expect(statusLine(fixture.at(0))).toMatchObject({ address: 'r0', state, reason });
  expect(fixture.at(0).isHealthy).toBe(state === 'ok');
});

it.each`
  first            | then             | state
  ${'closed'}      | ${'draining'}    | ${'gone'}
  ${'unreachable'} | ${'draining'}    | ${'draining'}
  ${'draining'}    | ${'cordoned'}    | ${'draining'}
  ${'cordoned'}    | ${'silent'}      | ${'cordoned'}
  ${'silent'}      | ${'ejected'}     | ${'silent'}
  ${'draining'}    | ${'unreachable'} | ${'unreachable'}
`('a runner that is $first, then $then, is shown as $state', ({ first, then, state }) => {
  const fixture = new FleetFixture(10);
  for (const what of [first, then]) ACTS[what as keyof typeof ACTS](fixture);
  expect(fixture.at(0).condition).toBe(state);
});

const ACTS = {
  closed: (fixture: FleetFixture) => fixture.call(0, { kind: 'refused', reason: 'closed', error: PROBLEM }),
  unreachable: (fixture: FleetFixture) => fixture.at(0).onProbeUnreachable(PROBLEM),
  draining: (fixture: FleetFixture) => fixture.tell(0, { draining: true }),
  cordoned: (fixture: FleetFixture) => fixture.fleet.setCordoned('r0', true),
  silent: (fixture: FleetFixture) => Object.assign(fixture.runners[0] as FakeRunner, { isUnresponsive: true }),
  ejected: (fixture: FleetFixture) =>
    repeat(5, () => fixture.call(0, { kind: 'failed', blame: 'runner', error: new Error('broke') })),
};

it('a status line has the calls in flight, the weight and the warm functions of the runner', () => {
  const fixture = new FleetFixture(1);
  fixture.tell(0, { freeSlots: 1, instanceId: 'x' }, 'fn1');
  expect(statusLine(fixture.at(0))).toMatchObject({
    cordoned: false,
    inFlight: 0,
    weight: 1,
    warmFunctions: 1,
    load: { instanceId: 'x' },
    identity: undefined,
  });
});
