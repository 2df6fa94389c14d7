import type { Member, MembershipListener, MembershipSource } from './membership.js';
import { MembershipPool, type MembershipPoolOptions } from './membership-pool.js';

/**
 * The same runners for as long as the process lives, in the order given. None is taken off the list for being
 * unreachable: whether it takes a call is found out by offering one.
 * @param addresses surrounding white space is ignored. Their form is up to `createRunner`.
 * @throws Error when an address is listed twice: it would get twice its share of calls
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

/** Says what it was given, once. */
export class StaticSource implements MembershipSource {
  constructor(private readonly addresses: readonly string[]) {}

  start(listener: MembershipListener): void {
    listener.onMembers(this.addresses);
  }

  async close(): Promise<void> {}
}
