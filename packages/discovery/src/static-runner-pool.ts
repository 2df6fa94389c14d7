import type { Member, MembershipListener, MembershipSource } from './membership.js';
import { MembershipPool, type MembershipPoolOptions } from './membership-pool.js';

/**
 * A fixed list of runners, in the given order. Unreachable runners stay in the list: whether a runner takes calls is found out by
 * offering one.
 * @param addresses surrounding white space is ignored. `createRunner` checks their form.
 * @throws Error if an address is listed twice, because it would get two shares of calls
 */
export function newStaticRunnerPool<R extends Member>(
  addresses: readonly string[],
  createRunner: (address: string) => R,
  options: Pick<MembershipPoolOptions<R>, 'clock' | 'logger'> = {},
): MembershipPool<R> {
  const names = addresses.map((address) => address.trim());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`runner ${twice} is listed twice`);
  return new MembershipPool({
    kind: 'static',
    description: `static://${names.join(',')}`,
    source: new StaticSource(names),
    createRunner,
    checkAddress: () => undefined,
    ...options,
  });
}

/** Reports the addresses once. */
export class StaticSource implements MembershipSource {
  constructor(private readonly addresses: readonly string[]) {}

  start(listener: MembershipListener): void {
    listener.onMembers(this.addresses);
  }

  async close(): Promise<void> {}
}
