/** A container's place on a network. */
export interface NetworkMembership {
  readonly network: string;
  /** Idempotent. */
  release(): void;
}

/** Spreads containers over networks: each new one goes where the fewest are. */
export class NetworkPool {
  private readonly members: Map<string, number>;

  constructor(networks: readonly string[]) {
    this.members = new Map(networks.map((network) => [network, 0]));
  }

  /** Undefined when no network was named: the engine's default applies. */
  join(): NetworkMembership | undefined {
    const [least] = [...this.members].sort(([, a], [, b]) => a - b);
    if (least === undefined) return undefined;
    const [network] = least;
    this.add(network, 1);
    let released = false;
    return {
      network,
      release: () => {
        if (!released) this.add(network, -1);
        released = true;
      },
    };
  }

  /** Containers on a network now. */
  count(network: string): number {
    return this.members.get(network) ?? 0;
  }

  private add(network: string, change: number): void {
    this.members.set(network, this.count(network) + change);
  }
}
