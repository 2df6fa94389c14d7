import { type Clock, type Logger, silentLogger } from '@fnfleet/core';
import type { DiscoverySettings } from '@fnfleet/discovery';
import { type ApiAddresses, type ApiAddressOptions, apiAddresses } from './api-addresses.js';
import { ApiNode, type ApiNodeOptions } from './api-node.js';

export interface ApiNodesOptions extends Omit<ApiNodeOptions, 'random'>, Pick<ApiAddressOptions, 'allowInsecure'> {
  readonly clock: Clock;
  /** Uniform, 0 to below 1. Default: Math.random. */
  readonly random?: () => number;
  /** For a pool URL: where the Kubernetes API is. */
  readonly settings?: Partial<DiscoverySettings>;
  readonly logger?: Logger;
}

/** Most nodes that are kept of a list, which comes from outside. */
const MAX_NODES = 64;

/**
 * The API nodes of a fleet, and which of them to ask.
 *
 * N1  A balancer stays with one node while that node answers. Balancers choose at random, and so spread over the nodes.
 * N2  A node that failed where another one answered is asked only after the others, for a growing time.
 * N3  A list that cannot be read changes nothing; a node that stays in the list keeps its connections.
 */
export class ApiNodes {
  private nodes: readonly ApiNode[] = [];
  private current: ApiNode | undefined;
  private readonly addresses: ApiAddresses;
  private readonly options: ApiNodeOptions;
  private readonly logger: Logger;
  /** Why there is no list; the empty list is one. */
  private problem: string;

  /** @throws SettingsError when the text is not valid */
  constructor(text: string, options: ApiNodesOptions) {
    const { clock, random = Math.random, logger = silentLogger, settings = {} } = options;
    this.options = { clock, random, tls: options.tls, tlsName: options.tlsName };
    this.logger = logger;
    this.addresses = apiAddresses(text, options, settings, { clock, random, logger });
    this.problem = `${this.addresses.description} has not answered yet`;
    this.addresses.source.start({
      onMembers: (entries) => this.onMembers(entries),
      onFailure: (error) => this.onFailure(error),
    });
  }

  get all(): readonly ApiNode[] {
    return this.nodes;
  }

  /** The node that is asked first. */
  get preferred(): ApiNode | undefined {
    return this.current;
  }

  /** Why `all` is empty. */
  get whyNone(): string {
    return `no API node is known: ${this.problem}`;
  }

  /** All nodes, in the order in which a lookup asks them. */
  order(): ApiNode[] {
    const { current, nodes } = this;
    const ready = rotated(
      nodes.filter((node) => node !== current && !node.isResting),
      this.options.random(),
    );
    const resting = nodes.filter((node) => node !== current && node.isResting);
    resting.sort((a, b) => a.restsUntil - b.restsUntil);
    return [...(current === undefined ? [] : [current]), ...ready, ...resting];
  }

  /** N1, N2. @param worse nodes that failed, or were silent, where this one answered */
  noteAnswer(node: ApiNode, worse: readonly ApiNode[]): void {
    node.noteAnswer();
    for (const other of worse) this.noteFailure(other);
    if (this.current?.isResting && this.nodes.includes(node)) this.current = node;
  }

  /** N2 */
  noteFailure(node: ApiNode): void {
    if (!node.isResting) this.logger.warn('API node does not answer, using another one', { api: node.url });
    node.rest();
  }

  async close(): Promise<void> {
    await this.addresses.source.close();
    for (const node of this.nodes) node.close();
  }

  /** N3 */
  private onMembers(entries: readonly string[]): void {
    const known = new Map(this.nodes.map((node) => [node.url, node]));
    const kept = new Map<string, ApiNode>();
    for (const entry of entries.slice(0, MAX_NODES)) {
      try {
        const url = this.addresses.urlOf(entry);
        kept.set(url.origin, known.get(url.origin) ?? new ApiNode(url, this.options));
      } catch (error) {
        this.logger.warn('invalid address of an API node ignored', { address: entry.slice(0, 100), error });
      }
    }
    this.problem = `${this.addresses.description} lists none`;
    for (const [url, node] of known) if (!kept.has(url)) node.close();
    this.nodes = [...kept.values()];
    if (this.current !== undefined && kept.get(this.current.url) === this.current) return;
    this.current = undefined;
    [this.current] = this.order();
  }

  private onFailure(error: Error): void {
    const again = this.problem === error.message;
    this.problem = error.message;
    if (!again) this.logger.warn('cannot read the list of API nodes, the last known list stays in use', { error });
  }
}

/** @param chance 0 to below 1 */
function rotated<T>(values: readonly T[], chance: number): T[] {
  const at = Math.floor(chance * values.length);
  return [...values.slice(at), ...values.slice(0, at)];
}
