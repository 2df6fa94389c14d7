import { FnError } from '@fnfleet/core';
import type { Page, Position } from '../datastore/datastore.js';

const DEFAULT_PAGE = 30;
const LARGEST_PAGE = 100;

/**
 * Reads `per_page` and `cursor`.
 * @throws FnError `invalidCursor`
 */
export function pageOf(query: URLSearchParams): Page {
  const cursor = query.get('cursor');
  return { limit: pageSize(query), after: cursor ? decodeCursor(cursor) : undefined };
}

/** Reads `per_page`. */
export function pageSize(query: URLSearchParams): number {
  const perPage = query.get('per_page') ?? '';
  const asked = /^\+?\d+$/.test(perPage) ? Number(perPage) : 0;
  return asked > 0 ? Math.min(asked, LARGEST_PAGE) : DEFAULT_PAGE;
}

/** Reads the `cursor` of a list in the order of ids. @throws FnError `invalidCursor` */
export function idAfter(query: URLSearchParams): string | undefined {
  const cursor = query.get('cursor');
  return cursor ? decodeCursor(cursor).name : undefined;
}

export function idCursor(id: string): string {
  return encodeCursor({ name: id });
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
