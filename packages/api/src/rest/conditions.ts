import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FnError } from '@fnfleet/core';

/** The largest If-Match or If-None-Match that is read. */
const MAX_CHARACTERS = 8192;
const MAX_TAGS = 100;

/** One entity tag of a list. Its characters exclude the quote, so that a match takes linear time. */
const TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
const BETWEEN = /[ \t,]*/y;

interface Tag {
  readonly value: string;
  readonly isWeak: boolean;
}

/**
 * The strong entity tag of a resource: the same for every API node, and another after each change. It is computed from what is
 * stored, so the endpoints that a response shows do not change it.
 */
export function etagOf(stored: object): string {
  return `"${createHash('sha256').update(JSON.stringify(stored)).digest('base64url').slice(0, 22)}"`;
}

/**
 * The conditions of a request: If-Match and If-None-Match of RFC 9110. Others are ignored. Checked where the current state
 * cannot change any more before the response: in the transaction of a change.
 */
export class Conditions {
  private constructor(
    private readonly ifMatch: '*' | readonly Tag[] | undefined,
    private readonly ifNoneMatch: '*' | readonly Tag[] | undefined,
  ) {}

  /** @throws FnError `badRequest` when a condition is malformed or too long */
  static of({ headers }: IncomingMessage): Conditions {
    return new Conditions(
      readCondition('If-Match', headers['if-match']),
      readCondition('If-None-Match', headers['if-none-match']),
    );
  }

  /**
   * Checks that a change may be made.
   * @param current entity tag of what the change replaces; undefined if it creates
   * @throws FnError `preconditionFailed`
   */
  checkChange(current: string | undefined): void {
    if (!this.allows(current) || this.isKnown(current)) throw new FnError('preconditionFailed');
  }

  /**
   * @returns whether the client already has the current state (304)
   * @throws FnError `preconditionFailed`
   */
  checkRead(current: string): boolean {
    if (!this.allows(current)) throw new FnError('preconditionFailed');
    return this.isKnown(current);
  }

  /** If-Match compares strongly: a weak tag matches nothing. */
  private allows(current: string | undefined): boolean {
    const { ifMatch } = this;
    if (ifMatch === undefined) return true;
    if (current === undefined) return false;
    return ifMatch === '*' || ifMatch.some(({ value, isWeak }) => !isWeak && value === current);
  }

  /** If-None-Match compares weakly. */
  private isKnown(current: string | undefined): boolean {
    const { ifNoneMatch } = this;
    if (ifNoneMatch === undefined || current === undefined) return false;
    return ifNoneMatch === '*' || ifNoneMatch.some(({ value }) => value === current);
  }
}

function readCondition(header: string, text: string | undefined): '*' | readonly Tag[] | undefined {
  if (text === undefined) return undefined;
  if (text.length > MAX_CHARACTERS) throw malformed(`${header} is longer than ${MAX_CHARACTERS} characters`);
  if (text.trim() === '*') return '*';
  const tags: Tag[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    TAG.lastIndex = at;
    const [whole, weak, value] = TAG.exec(text) ?? [];
    if (whole === undefined) throw malformed(`${header} must be * or a list of entity tags, such as "abc"`);
    if (tags.length === MAX_TAGS) throw malformed(`${header} has more than ${MAX_TAGS} entity tags`);
    tags.push({ value: `"${value}"`, isWeak: weak !== undefined });
    const next = skip(text, at + whole.length);
    // Two tags need a comma between them.
    if (next < text.length && !text.slice(at + whole.length, next).includes(',')) {
      throw malformed(`${header} must have commas between its entity tags`);
    }
    at = next;
  }
  if (tags.length === 0) throw malformed(`${header} is empty; expected * or a list of entity tags`);
  return tags;
}

function skip(text: string, from: number): number {
  BETWEEN.lastIndex = from;
  BETWEEN.exec(text);
  return BETWEEN.lastIndex;
}

function malformed(reason: string): FnError {
  return new FnError('badRequest', { params: { reason } });
}
