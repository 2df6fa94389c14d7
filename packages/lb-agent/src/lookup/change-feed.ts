import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import {
  type Clock,
  count,
  countFromZero,
  earliest,
  LONG_AGO,
  type Logger,
  later,
  type MonoMs,
  Once,
  silentLogger,
  sleepOn,
  type Timer,
} from '@fnfleet/core';
import type { ApiNode } from './api-node.js';
import type { ApiNodes } from './api-nodes.js';
import type { ChangeListener, SourceChange } from './function-source.js';
import { type ServerSentEvent, ServerSentEvents } from './server-sent-events.js';

/** The route of the feed; the position of the reader is in the header `Last-Event-ID`. */
const PATH = '/v2/changes';
/** Time limit for the head of the answer, milliseconds. */
const HEAD_MS = 5_000;
/** Time between two signs of life if the node does not say, and bounds for what it says; milliseconds. */
const DEFAULT_HEARTBEAT_MS = 5_000;
const MIN_HEARTBEAT_MS = 100;
const MAX_HEARTBEAT_MS = 60_000;
/** Signs of life that may be missing. */
const MISSING = 3;
/** Pause before a node whose feed broke is used again: at first, and at most. Milliseconds. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A feed that lasted this long was healthy, milliseconds. */
const HEALTHY_MS = 5_000;
/** Pause before a node without a feed is asked again: it may have been upgraded. Milliseconds. */
const WITHOUT_FEED_PAUSE_MS = 300_000;
/** Pause while no API node is known, milliseconds. */
const NO_NODE_PAUSE_MS = 1_000;
const MAX_POSITION_LENGTH = 256;
/** Answers of servers that do not have the route: Fn, earlier releases, nodes of other roles. */
const WITHOUT_FEED: ReadonlySet<number> = new Set([404, 405, 406, 410, 501]);

export interface ChangeFeedOptions {
  readonly nodes: ApiNodes;
  readonly headers: Readonly<Record<string, string>>;
  readonly listener: ChangeListener;
  readonly clock: Clock;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  readonly logger?: Logger | undefined;
}

/** What this balancer knows about the feeds of a node. */
interface NodeState {
  failures: number;
  notBefore: MonoMs;
}

/**
 * Follows the changes at the API nodes: one connection, to any of them.
 *
 *   connecting ──head──▶ following ──broken, silent, ended──▶ connecting to the next node, from the same position
 *        └──the node has no feed──▶ another one; if none has, lookups expire by themselves and it asks again seldom
 *
 * G1  No change is missed: after a break the feed continues at the last position. If that is not possible (`reset`, an
 *     event that cannot be read, the first connection), the listener is told that everything may have changed.
 * G2  A feed that was cut silently is found by its missing signs of life.
 * G3  What a node sends is bounded: the head, each event, and the time until the head.
 */
export class ChangeFeed {
  private readonly lifetime = new AbortController();
  private readonly states = new WeakMap<ApiNode, NodeState>();
  private readonly logger: Logger;
  private running: Promise<void> | undefined;
  private position: string | undefined;
  private following: ApiNode | undefined;

  constructor(private readonly options: ChangeFeedOptions) {
    this.logger = options.logger ?? silentLogger;
    countFromZero('lb_feed_connected');
    countFromZero('lb_feed_change_count');
    countFromZero('lb_feed_reset_count');
    countFromZero('lb_feed_failure_count');
  }

  /** The node whose feed is open. */
  get connectedTo(): ApiNode | undefined {
    return this.following;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private readonly closing = new Once(async () => {
    this.lifetime.abort(new Error('closed'));
    await this.running;
  });

  private async run(): Promise<void> {
    const { clock } = this.options;
    const { signal } = this.lifetime;
    while (!signal.aborted) {
      const node = this.nextNode();
      if (node === undefined) {
        await sleepOn(clock, this.pauseMs(), signal);
        continue;
      }
      const begun = clock.now();
      const problem = await this.follow(node);
      if (signal.aborted) return;
      this.noteEnd(node, problem, clock.now() - begun);
    }
  }

  /** The first node, in the order of lookups, that need not be left alone. */
  private nextNode(): ApiNode | undefined {
    const now = this.options.clock.now();
    return this.options.nodes.order().find((node) => this.stateOf(node).notBefore <= now);
  }

  private pauseMs(): number {
    const { clock, nodes } = this.options;
    const next = earliest(...nodes.all.map((node) => this.stateOf(node).notBefore));
    return Math.max(1, Math.min(next - clock.now(), nodes.all.length > 0 ? WITHOUT_FEED_PAUSE_MS : NO_NODE_PAUSE_MS));
  }

  private stateOf(node: ApiNode): NodeState {
    let state = this.states.get(node);
    if (state === undefined) {
      state = { failures: 0, notBefore: LONG_AGO };
      this.states.set(node, state);
    }
    return state;
  }

  private noteEnd(node: ApiNode, problem: unknown, lastedMs: number): void {
    const { clock, random } = this.options;
    const state = this.stateOf(node);
    if (problem instanceof WithoutFeed) {
      state.failures = 0;
      state.notBefore = later(clock.now(), WITHOUT_FEED_PAUSE_MS * (0.5 + random() / 2));
      this.logger.debug('API node has no change feed', { api: node.url, reason: problem.message });
      return;
    }
    count('lb_feed_failure_count');
    if (lastedMs >= HEALTHY_MS) state.failures = 0;
    const ceiling = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(state.failures, 30));
    // A repeated failure is logged once.
    if (state.failures === 0)
      this.logger.info('change feed ended, connecting again', { api: node.url, error: problem });
    state.failures += 1;
    state.notBefore = later(clock.now(), ceiling / 2 + (random() * ceiling) / 2);
  }

  /** Follows one feed to its end. @returns why it ended. Never rejects */
  private async follow(node: ApiNode): Promise<unknown> {
    const life = new AbortController();
    const end = (reason: Error) => life.abort(reason);
    const watch = new Watch(this.options.clock, end);
    const unsubscribe = node.onRest(() => end(new Error('lookups get no answer from this node')));
    const signal = AbortSignal.any([this.lifetime.signal, life.signal]);
    try {
      watch.expect(HEAD_MS, 'no answer');
      await this.read(node, signal, watch);
      return new Error('the node has ended it');
    } catch (error) {
      return life.signal.aborted ? life.signal.reason : error;
    } finally {
      watch.cancel();
      unsubscribe();
      if (this.following !== undefined) count('lb_feed_connected', -1);
      this.following = undefined;
    }
  }

  private async read(node: ApiNode, signal: AbortSignal, watch: Watch): Promise<void> {
    const { headers } = this.options;
    const from: Record<string, string> = this.position === undefined ? {} : { 'last-event-id': this.position };
    const answer = await node.open(PATH, { ...headers, accept: 'text/event-stream', ...from }, signal, 0);
    try {
      checkHead(answer);
      const silenceMs = MISSING * heartbeatOf(answer);
      this.following = node;
      count('lb_feed_connected');
      this.logger.debug('following the changes', { api: node.url });
      const events = new ServerSentEvents();
      const decoder = new StringDecoder('utf8');
      watch.expect(silenceMs, 'no sign of life');
      for await (const chunk of answer) {
        watch.expect(silenceMs, 'no sign of life');
        this.take(events, decoder.write(chunk as Buffer));
      }
    } finally {
      answer.destroy();
    }
  }

  /** G1 */
  private take(parser: ServerSentEvents, text: string): void {
    try {
      this.apply(parser.push(text));
    } catch (error) {
      // The same would come again from the same position.
      this.position = undefined;
      throw error;
    }
  }

  /** Applies the events of one chunk together, so that many changes of one function cost one lookup. */
  private apply(events: readonly ServerSentEvent[]): void {
    let changes: SourceChange[] = [];
    let reset = false;
    try {
      for (const { id, event, data } of events) {
        if (event === 'reset') {
          reset = true;
          changes = [];
        } else if (event === 'change') {
          const change = readChange(data);
          if (change !== undefined) changes.push(change);
          count('lb_feed_change_count');
        }
        if (id !== undefined) this.position = readPosition(id);
      }
    } finally {
      if (reset) {
        count('lb_feed_reset_count');
        this.options.listener.onReset();
      }
      if (changes.length > 0) this.options.listener.onChanges(changes);
    }
  }
}

/** The time limit for the next sign of life. */
class Watch {
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly onSilence: (reason: Error) => void,
  ) {}

  expect(ms: number, otherwise: string): void {
    this.cancel();
    this.timer = this.clock.after(ms, () => this.onSilence(new Error(`${otherwise} within ${ms} ms`)));
  }

  cancel(): void {
    this.timer?.cancel();
  }
}

class WithoutFeed extends Error {}

function checkHead({ statusCode = 0, headers }: IncomingMessage): void {
  if (WITHOUT_FEED.has(statusCode)) throw new WithoutFeed(`it answers ${statusCode}`);
  if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
  const type = headers['content-type'] ?? '';
  if (!/^text\/event-stream\b/i.test(type))
    throw new WithoutFeed(`its answer is ${type.slice(0, 100) || 'of no type'}`);
}

function heartbeatOf({ headers }: IncomingMessage): number {
  const told = Number(headers['fn-heartbeat-msecs'] ?? DEFAULT_HEARTBEAT_MS);
  return Math.min(Math.max(Number.isFinite(told) ? told : DEFAULT_HEARTBEAT_MS, MIN_HEARTBEAT_MS), MAX_HEARTBEAT_MS);
}

function readPosition(id: string): string {
  if (id === '' || id.length > MAX_POSITION_LENGTH || !/^[\x21-\x7e]+$/.test(id))
    throw new Error('a position that is none');
  return id;
}

const KINDS: ReadonlySet<unknown> = new Set(['app', 'fn', 'trigger']);
const ACTIONS: ReadonlySet<unknown> = new Set(['created', 'updated', 'deleted']);

/**
 * @returns undefined for a kind that this release does not know, and that it has nothing cached of
 * @throws Error when it cannot be read
 */
function readChange(data: string): SourceChange | undefined {
  const { kind, action, id, app_id: appId, name, sources } = JSON.parse(data) as Record<string, unknown>;
  if (typeof kind === 'string' && !KINDS.has(kind)) return undefined;
  const known = KINDS.has(kind) && ACTIONS.has(action);
  const isList = sources === undefined || Array.isArray(sources);
  const texts = [id, appId, name, ...(isList ? (sources ?? []) : [])];
  if (!known || !isList || texts.some((text) => typeof text !== 'string'))
    throw new Error('a change that cannot be read');
  return { kind, action, id, appId, name, sources } as SourceChange;
}
