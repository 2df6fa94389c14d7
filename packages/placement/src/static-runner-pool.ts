import { Once } from '@fnfleet/core';
import type { Runner, RunnerList, RunnerPool } from './runner.js';

/**
 * The same runners for as long as the process lives, in the order given. None is taken off the list for being
 * unreachable: whether it takes a call is found out by offering one.
 * @param addresses surrounding white space is ignored
 * @throws Error when an address is listed twice: it would get twice its share of calls
 */
export function newStaticRunnerPool(
  addresses: readonly string[],
  createRunner: (address: string) => Runner,
): RunnerPool {
  const names = addresses.map((address) => address.trim());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`runner ${twice} is listed twice`);
  return new StaticRunnerPool(names.map(createRunner));
}

class StaticRunnerPool implements RunnerPool {
  private readonly list: RunnerList;
  private readonly closing = new Once(async () => {
    await Promise.all(this.list.runners.map((runner) => runner.close()));
  });

  constructor(runners: readonly Runner[]) {
    this.list = { runners: Object.freeze(runners) };
  }

  runners(): RunnerList {
    return this.list;
  }

  close(): Promise<void> {
    return this.closing.call();
  }
}
