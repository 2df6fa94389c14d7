import type { FleetStatus } from '@fnfleet/placement';
import { answerQuestion, type LbOperations, type LbQuestion, operationsOf, operationsOfGroup } from './operations.js';

const status = (waiting: number): FleetStatus => ({
  waiting,
  inFlight: 0,
  pool: undefined,
  cordons: [],
  troubles: [],
  runners: [],
});

describe('the operations of one process', () => {
  it('report the fleet, and query its runners first if requested', async () => {
    const done: string[] = [];
    const operations = operationsOf({
      askRunners: async (ms) => void done.push(`asked for ${ms}`),
      fleetStatus: () => {
        done.push('looked');
        return status(1);
      },
      setCordoned: (address, cordoned) => address === 'r1' && cordoned,
      explain: (callId) => ({ call_id: callId }) as never,
    });
    expect(await operations.fleet(0)).toEqual(status(1));
    expect(await operations.fleet(5)).toEqual(status(1));
    expect(done).toEqual(['looked', 'asked for 5', 'looked']);
    expect(await operations.setCordoned('r1', true)).toBe(true);
    expect(await operations.setCordoned('r1', false)).toBe(false);
    expect(await operations.explain('c1')).toEqual({ call_id: 'c1' });
  });
});

describe('the operations of a group', () => {
  /** Processes that do what is asked of them; each notes it. */
  function groupOf(...members: Partial<LbOperations>[]) {
    const asked: LbQuestion[] = [];
    const group = operationsOfGroup((question) => {
      asked.push(question);
      return Promise.all(members.map((member) => answerQuestion(member as LbOperations, question)));
    });
    return { asked, group };
  }

  it('combine what the processes report; one that reports nothing is ignored', async () => {
    const { asked, group } = groupOf(
      { fleet: async () => status(1) },
      { fleet: async () => undefined },
      { fleet: async (askMs) => status(askMs) },
    );
    expect(await group.fleet(10)).toMatchObject({ waiting: 11 });
    expect(asked).toEqual([{ ask: 'fleet', askMs: 10 }]);
  });

  it.each`
    known             | isKnown
    ${[true, false]}  | ${true}
    ${[false, true]}  | ${true}
    ${[false, false]} | ${false}
    ${[]}             | ${false}
  `('cordon a runner in each process: if $known know it, the result is $isKnown', async ({ known, isKnown }) => {
    const { asked, group } = groupOf(...known.map((one: boolean) => ({ setCordoned: async () => one })));
    expect(await group.setCordoned('r1', true)).toBe(isKnown);
    expect(asked).toEqual([{ ask: 'cordon', address: 'r1', cordoned: true }]);
  });

  it('explain a call that any process remembers', async () => {
    const { group } = groupOf(
      { explain: async () => undefined },
      { explain: async (callId) => ({ call_id: callId }) as never },
    );
    expect(await group.explain('c1')).toEqual({ call_id: 'c1' });
    expect(await groupOf({ explain: async () => undefined }).group.explain('c1')).toBeUndefined();
  });
});
