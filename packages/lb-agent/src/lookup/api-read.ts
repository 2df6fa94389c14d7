import { type Clock, Deferred, type Timer } from '@fnfleet/core';
import type { ApiNode } from './api-node.js';
import type { ApiNodes } from './api-nodes.js';

export interface ApiReadOptions<T> {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** @throws when the answer is not one to this request */
  readonly understand: (text: string) => T;
  readonly signal: AbortSignal;
  readonly nodes: ApiNodes;
  readonly clock: Clock;
  /** How long a node is waited for before the next one is asked as well, milliseconds. */
  readonly hedgeMs: number;
  /** Asks for permission to do so. @returns a function that ends it, or undefined */
  readonly enterHedge: () => (() => void) | undefined;
}

/** What the nodes came to: a value, undefined for "not found", or why each of them failed. */
export type ReadResult<T> = { readonly found: T | undefined } | { readonly failures: readonly ReadFailure[] };

/** Most nodes that one lookup waits for at the same time. */
const MAX_ASKED = 3;

/**
 * One lookup, offered to each API node at most once.
 *
 *   ask a node ──fails, answers nonsense────────▶ ask the next at once
 *       │  └─────silent, or found to be silent──▶ ask the next as well; the first answer counts
 *       └────────answers, also "not found"──────▶ done; nodes that did worse rest
 */
export class ApiRead<T> {
  private readonly failures: ReadFailure[] = [];
  private readonly left: ApiNode[];
  /** Nodes that are being asked, in the order of the requests. */
  private readonly asked = new Map<ApiNode, { readonly unsubscribe: () => void }>();
  private readonly result = new Deferred<ReadResult<T>>();
  private readonly controller = new AbortController();
  private readonly life: AbortSignal;
  private timer: Timer | undefined;
  private leaveHedge: (() => void) | undefined;
  private settled = false;

  constructor(private readonly options: ApiReadOptions<T>) {
    this.left = options.nodes.order();
    this.life = AbortSignal.any([options.signal, this.controller.signal]);
  }

  /** Never rejects. */
  run(): Promise<ReadResult<T>> {
    this.askNext();
    return this.result.promise;
  }

  private askNext(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const node = this.asked.size < MAX_ASKED && !this.life.aborted ? this.left.shift() : undefined;
    if (node === undefined) {
      if (this.asked.size === 0) this.settle({ failures: this.failures });
      return;
    }
    this.asked.set(node, { unsubscribe: node.onRest(() => this.onSilence(node)) });
    if (this.left.length > 0) this.timer = this.options.clock.after(this.options.hedgeMs, () => this.hedge());
    void this.ask(node);
  }

  private async ask(node: ApiNode): Promise<void> {
    const { path, headers, understand } = this.options;
    try {
      const { status, text } = await node.get(path, headers, this.life);
      this.onAnswer(node, readAnswer(node, path, status, text, understand));
    } catch (error) {
      const failure =
        error instanceof ReadFailure
          ? error
          : new ReadFailure(node, 'unavailable', `GET ${path}: ${messageOf(error)}`, error);
      this.onFailure(node, failure);
    }
  }

  private onAnswer(node: ApiNode, found: T | undefined): void {
    if (this.settled) return;
    // Nodes that were asked before this one did not answer in time; those that were asked after it have had no chance.
    const order = [...this.asked.keys()];
    const silent = order.slice(0, order.indexOf(node));
    this.options.nodes.noteAnswer(node, [...this.failures.map((failure) => failure.node), ...silent]);
    this.settle({ found });
  }

  private onFailure(node: ApiNode, failure: ReadFailure): void {
    if (this.settled) return;
    this.asked.get(node)?.unsubscribe();
    this.asked.delete(node);
    this.failures.push(failure);
    this.askNext();
  }

  /** The node is slow. If all are, for example because their database is, asking more of them would not help. */
  private hedge(): void {
    this.leaveHedge ??= this.options.enterHedge();
    if (this.leaveHedge !== undefined) this.askNext();
  }

  /** Another lookup has found that this node does not answer. */
  private onSilence(node: ApiNode): void {
    if (!this.settled && [...this.asked.keys()].at(-1) === node) this.askNext();
  }

  private settle(result: ReadResult<T>): void {
    this.settled = true;
    this.timer?.cancel();
    this.leaveHedge?.();
    for (const { unsubscribe } of this.asked.values()) unsubscribe();
    this.asked.clear();
    this.controller.abort();
    this.result.resolve(result);
  }
}

/** @throws ReadFailure, or what `understand` throws */
function readAnswer<T>(
  node: ApiNode,
  path: string,
  status: number,
  text: string,
  understand: (text: string) => T,
): T | undefined {
  if (status < 300) {
    try {
      return understand(text);
    } catch (error) {
      throw new ReadFailure(node, 'nonsense', `GET ${path}: ${messageOf(error)}`, error);
    }
  }
  const said = `GET ${path}: ${status} ${text.trim()}`;
  if (status === 404) {
    if (isNotFound(text)) return undefined;
    throw new ReadFailure(node, 'nonsense', said);
  }
  throw new ReadFailure(node, status < 500 ? 'refused' : 'unavailable', said);
}

/** Whether the 404 is from an API node, and about what was asked for: other servers do not have the path at all. */
function isNotFound(text: string): boolean {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' && !message.startsWith('Path not found');
  } catch {
    return false;
  }
}

/** A connection that was refused at several addresses has no message of its own. */
function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}

/**
 * How a node failed: it is unavailable, which may pass; it refuses; or it answers something else than what it was asked
 * for.
 */
export class ReadFailure extends Error {
  override readonly name = 'ReadFailure';

  constructor(
    readonly node: ApiNode,
    readonly kind: 'unavailable' | 'refused' | 'nonsense',
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}
