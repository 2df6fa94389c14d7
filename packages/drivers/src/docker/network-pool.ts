/** The membership of a container in a network. */
export interface NetworkMembership {
  readonly network: string;
  /** Idempotent. */
  release(): void;
}

/** Distributes containers over networks: each new container joins the network with the fewest. */
export class NetworkPool {
  private readonly members: Map<string, number>;

  constructor(networks: readonly string[]) {
    this.members = new Map(networks.map((network) => [network, 0]));
  }

  /** Undefined if no networks are configured and the default of the engine applies. */
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
