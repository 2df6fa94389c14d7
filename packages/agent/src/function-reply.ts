import { canonicalHeader, type HeaderList, isHopByHop } from '@fnfleet/core';
import type { Dispatcher } from 'undici';

/** The headers of a reply in their order, names canonical, less those of the connection. Values are read as UTF-8. */
export function replyHeaders(raw: Dispatcher.DispatchController['rawHeaders']): HeaderList {
  if (!Array.isArray(raw)) return [];
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = canonicalHeader(text(raw[i], 'latin1'));
    const value = text(raw[i + 1], 'utf8');
    if (!isHopByHop(name, value)) list.push([name, value]);
  }
  return list;
}

function text(bytes: Buffer | string | undefined, encoding: BufferEncoding): string {
  return typeof bytes === 'string' ? bytes : (bytes?.toString(encoding) ?? '');
}
