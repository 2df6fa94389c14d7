import { HeaderList } from '../header-list.js';
import { huffmanBound, huffmanDecode } from './huffman.js';
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.js';

/** The block cannot be decoded, and neither can any later one on the connection. */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}

/** Overhead that HPACK and SETTINGS_MAX_HEADER_LIST_SIZE count per entry, bytes. */
const ENTRY_OVERHEAD = 32;
/** The default of HTTP/2, which we never change. */
const MAX_TABLE_BYTES = 4096;

/** How many blocks are cached, and the longest one. */
const MAX_REMEMBERED = 64;
const MAX_REMEMBERED_BYTES = 512;

/**
 * Decodes header blocks (RFC 7541), with limits for what a peer can do with few bytes.
 *
 * D1  The dynamic table holds at most 4 KiB, in the size that HPACK defines.
 * D2  Nothing is kept of a block whose list is larger than `maxListBytes`; the rest is read only for the table.
 * D3  A repeated head is not decoded again. Only blocks that neither use nor change the dynamic table are cached, and only while
 *     it is empty: gRPC libraries fill it with their first block, our own peers never do.
 */
export class HpackDecoder {
  private readonly names: string[] = [];
  private readonly values: string[] = [];
  private tableBytes = 0;
  private tableLimit = MAX_TABLE_BYTES;
  private touched = false;
  private readonly remembered = new Map<string, HeaderList>();

  private source: Buffer = NOTHING;
  private at = 0;
  private end = 0;

  constructor(private readonly maxListBytes: number) {}

  /** Bytes of the dynamic table, in the size that HPACK defines. */
  get dynamicBytes(): number {
    return this.tableBytes;
  }

  /**
   * @returns undefined if the list is larger than the limit
   * @throws HpackError
   */
  decode(source: Buffer, start: number, end: number): HeaderList | undefined {
    // Heads begin with an index of the static table. Trailers do not: they have the load and are never the same.
    const isHead = end > start && (source[start] as number) >= 0x80;
    const mayRemember = isHead && this.names.length === 0 && end - start <= MAX_REMEMBERED_BYTES;
    const key = mayRemember ? source.toString('latin1', start, end) : undefined;
    const known = key && this.remembered.get(key);
    if (known) return known;
    this.touched = false;
    const list = this.read(source, start, end);
    if (key && !this.touched && list !== undefined) {
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
      this.remembered.set(key, list);
    }
    return list;
  }

  private read(source: Buffer, start: number, end: number): HeaderList | undefined {
    this.source = source;
    this.at = start;
    this.end = end;
    const fields: string[] = [];
    let listBytes = 0;
    while (this.at < end) {
      const first = source[this.at] as number;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.integer(0x7f);
        name = this.nameAt(index);
        value = this.valueAt(index);
      } else if (first >= 0x20 && first < 0x40) {
        if (fields.length > 0 || listBytes > 0) throw new HpackError('a change of the table size within a block');
        this.resize(this.integer(0x1f));
        continue;
      } else {
        const indexed = first >= 0x40;
        const index = this.integer(indexed ? 0x3f : 0x0f);
        name = index === 0 ? this.text() : this.nameAt(index);
        value = this.text();
        if (indexed) this.insert(name, value);
      }
      listBytes += name.length + value.length + ENTRY_OVERHEAD;
      if (listBytes <= this.maxListBytes) fields.push(name, value);
      else fields.length = 0;
    }
    this.source = NOTHING;
    return listBytes <= this.maxListBytes ? new HeaderList(fields) : undefined;
  }

  private nameAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_NAMES[index] || noEntry(index);
    return this.names[this.names.length - (index - STATIC_ENTRIES)] ?? noEntry(index);
  }

  private valueAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_VALUES[index] ?? noEntry(index);
    return this.values[this.values.length - (index - STATIC_ENTRIES)] ?? noEntry(index);
  }

  private integer(mask: number): number {
    let value = this.byte() & mask;
    if (value < mask) return value;
    // No length and no index needs more than four more bytes.
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new HpackError('a number that is too large');
  }

  private text(): string {
    const huffman = ((this.source[this.at] ?? 0) & 0x80) !== 0;
    const length = this.integer(0x7f);
    const start = this.at;
    const end = start + length;
    if (end > this.end) throw new HpackError('a text that is cut off');
    this.at = end;
    if (!huffman) return this.source.toString('latin1', start, end);
    const room = huffmanBound(length);
    if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room);
    const bytes = huffmanDecode(this.source, start, end, scratch);
    if (bytes < 0) throw new HpackError('a text that is no Huffman code');
    return scratch.toString('latin1', 0, bytes);
  }

  private byte(): number {
    if (this.at >= this.end) throw new HpackError('a block that is cut off');
    return this.source[this.at++] as number;
  }

  /** The newest entry is the last. */
  private insert(name: string, value: string): void {
    this.touched = true;
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    this.evict(this.tableLimit - bytes);
    if (bytes > this.tableLimit) return;
    this.names.push(name);
    this.values.push(value);
    this.tableBytes += bytes;
  }

  private resize(limit: number): void {
    if (limit > MAX_TABLE_BYTES) throw new HpackError('a table larger than was allowed');
    this.tableLimit = limit;
    this.evict(limit);
  }

  private evict(bytesLeft: number): void {
    let gone = 0;
    while (this.tableBytes > bytesLeft && gone < this.names.length) {
      this.tableBytes -= (this.names[gone]?.length ?? 0) + (this.values[gone]?.length ?? 0) + ENTRY_OVERHEAD;
      gone += 1;
    }
    this.names.splice(0, gone);
    this.values.splice(0, gone);
  }
}

const NOTHING = Buffer.alloc(0);
/** Grows to the longest text that a block has room for. */
let scratch = Buffer.allocUnsafeSlow(1024);

function noEntry(index: number): never {
  throw new HpackError(`no entry with the index ${index}`);
}
