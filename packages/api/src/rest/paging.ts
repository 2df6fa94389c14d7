import { FnError } from '@fnfleet/core';
import type { Page, Position } from '../datastore/datastore.js';

const DEFAULT_PAGE = 30;
const LARGEST_PAGE = 100;

/**
 * Reads `per_page` and `cursor`.
 * @throws FnError `invalidCursor`
 */
export function pageOf(query: URLSearchParams): Page {
  const perPage = query.get('per_page') ?? '';
  const asked = /^\+?\d+$/.test(perPage) ? Number(perPage) : 0;
  const cursor = query.get('cursor');
  return {
    limit: asked > 0 ? Math.min(asked, LARGEST_PAGE) : DEFAULT_PAGE,
    after: cursor ? decodeCursor(cursor) : undefined,
  };
}

/** A full page has a cursor, although the next page may turn out to be empty. */
export function nextCursor(items: readonly { name: string; id: string }[], limit: number, named: Naming): string {
  const last = items.at(-1);
  if (last === undefined || items.length < limit) return '';
  return encodeCursor(named === 'unique' ? { name: last.name } : last);
}

/** Whether the name alone determines the position of an item in a list. */
export type Naming = 'unique' | 'repeating';

const SEPARATOR = '\0';

function encodeCursor({ name, id }: Position): string {
  return Buffer.from(id === undefined ? name : name + SEPARATOR + id).toString('base64url');
}

function decodeCursor(cursor: string): Position {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor) || cursor.length % 4 === 1) throw new FnError('invalidCursor');
  const [name = '', id] = Buffer.from(cursor, 'base64url').toString().split(SEPARATOR);
  return { name, id };
}
