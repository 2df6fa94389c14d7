import fc from 'fast-check';
import { counts, decideRetry, type Failure, MAX_ATTEMPTS, type RetryPolicy } from './retry-policy.js';

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attempts: fc.integer({ min: 1, max: 50 }),
  backoffMs: fc.integer({ min: 0, max: 60_000 }),
  maxBackoffMs: fc.integer({ min: 0, max: 600_000 }),
  retryOn: fc.subarray(['timeout', 'function', 'caller'] as const),
});
const failures: fc.Arbitrary<Failure> = fc.record({
  kind: fc.constantFrom('platform', 'timeout', 'function', 'caller'),
  code: fc.constant('functionFailed'),
  message: fc.constant('no'),
});
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

it('a delay is within half the maximum back-off and all of it, however many failures there were', () => {
  fc.assert(
    fc.property(policies, failures, fc.nat(90), fc.nat(90), randoms, (policy, failure, a, b, random) => {
      const state = { attempt: Math.max(a, b) + 1, failures: Math.min(a, b) };
      const decision = decideRetry(policy, state, failure, random);
      if (decision.kind === 'dead') return;
      expect(decision.delayMs).toBeLessThanOrEqual(policy.maxBackoffMs);
      expect(decision.delayMs).toBeGreaterThanOrEqual(Math.min(policy.backoffMs, policy.maxBackoffMs) / 2);
    }),
  );
});

it('a call has as many counted failures as its policy allows, and no more', () => {
  fc.assert(
    fc.property(policies, fc.array(failures, { maxLength: MAX_ATTEMPTS - 1 }), (policy, all) => {
      let counted = 0;
      for (const [before, failure] of all.entries()) {
        const { kind } = decideRetry(policy, { attempt: before + 1, failures: counted }, failure, 0);
        if (counts(failure)) counted += 1;
        const mustEnd = counts(failure) && (counted >= policy.attempts || !policy.retryOn.includes(failure.kind));
        expect(kind).toBe(mustEnd ? 'dead' : 'retry');
        if (mustEnd) return;
      }
    }),
  );
});
