/** Name and value, in order; a name may come more than once. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** A header block of literals that touch no table: any peer reads it, whatever state its table is in. */
export function literalHeaders(headers: HeaderLines): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [Buffer.from([0x00]), hpackString(name), hpackString(value)]),
  );
}

/** A string without Huffman coding. */
export function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([hpackInteger(bytes.length, 7), bytes]);
}

/** An integer with a prefix of so many bits; `pattern` holds the bits before it (RFC 7541, section 5.1). */
export function hpackInteger(value: number, prefixBits: number, pattern = 0): Buffer {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Buffer.from([pattern | value]);
  const bytes = [pattern | max];
  let rest = value - max;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** Appendix A of RFC 7541; entries without a value have an empty one. */
const STATIC_TABLE: HeaderLines = [
  ':authority',
  ':method|GET',
  ':method|POST',
  ':path|/',
  ':path|/index.html',
  ':scheme|http',
  ':scheme|https',
  ...['200', '204', '206', '304', '400', '404', '500'].map((status) => `:status|${status}`),
  'accept-charset',
  'accept-encoding|gzip, deflate',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
].map((entry) => {
  const [name = '', value = ''] = entry.split('|');
  return [name, value] as const;
});

const ENTRY_OVERHEAD = 32;

/** Reads the header blocks of one connection, in order. */
export class HeaderDecoder {
  private table: (readonly [string, string])[] = [];
  private tableBytes = 0;
  private maxTableBytes = 4096;

  /** @throws Error on a block that is not HPACK */
  decode(block: Buffer): [name: string, value: string][] {
    const headers: [string, string][] = [];
    const input = { bytes: block, at: 0 };
    while (input.at < block.length) {
      const first = block.readUInt8(input.at);
      if (first & 0x80) {
        const [name, value] = this.entry(readInteger(input, 7));
        headers.push([name, value]);
      } else if ((first & 0xe0) === 0x20) {
        this.maxTableBytes = readInteger(input, 5);
        this.evict();
      } else {
        const indexed = (first & 0xc0) === 0x40;
        const index = readInteger(input, indexed ? 6 : 4);
        const name = index === 0 ? readString(input) : this.entry(index)[0];
        const value = readString(input);
        headers.push([name, value]);
        if (indexed) this.add(name, value);
      }
    }
    return headers;
  }

  private entry(index: number): readonly [string, string] {
    const found = STATIC_TABLE[index - 1] ?? this.table[index - 1 - STATIC_TABLE.length];
    if (found === undefined) throw new Error(`no entry ${index} in the table of headers`);
    return found;
  }

  private add(name: string, value: string): void {
    this.table.unshift([name, value]);
    this.tableBytes += sizeOf(name, value);
    this.evict();
  }

  private evict(): void {
    while (this.tableBytes > this.maxTableBytes) {
      const [name, value] = this.table.pop() ?? ['', ''];
      this.tableBytes -= sizeOf(name, value);
    }
  }
}

function sizeOf(name: string, value: string): number {
  return Buffer.byteLength(name) + Buffer.byteLength(value) + ENTRY_OVERHEAD;
}

interface Input {
  readonly bytes: Buffer;
  at: number;
}

function readInteger(input: Input, prefixBits: number): number {
  const max = 2 ** prefixBits - 1;
  let value = input.bytes.readUInt8(input.at++) & max;
  if (value < max) return value;
  for (let scale = 1; ; scale *= 128) {
    const byte = input.bytes.readUInt8(input.at++);
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

function readString(input: Input): string {
  const huffman = (input.bytes.readUInt8(input.at) & 0x80) !== 0;
  const length = readInteger(input, 7);
  const bytes = input.bytes.subarray(input.at, input.at + length);
  input.at += length;
  return huffman ? decodeHuffman(bytes) : bytes.toString('utf8');
}

const EOS = 256;

/**
 * Bits of each code of Appendix B of RFC 7541, as runs of `length x count`. The code is canonical: with the lengths of all
 * symbols it is known.
 */
const CODE_LENGTHS =
  '13 23 28x7 24 30 28x2 30 28x8 30 28x9 6 10x2 12 13 6 8 11 10x2 8 11 8 6x3 5x3 6x7 7 8 15 6 12 10 13 6 7x22 8 7 8 13 ' +
  '19 13 14 6 15 5 6 5 6 5 6x3 5 7x2 6x3 5 6 7 6 5x2 6 7x5 15 11 14 13 28 20 22 20x2 22x3 23 22 23x5 24 23 24x2 22 23 ' +
  '24 23x4 21 22 23 22 23x2 24 22 21 20 22x2 23x2 21 23 22x2 24 21 22 23x2 21x2 22 21 23 22 23x2 20 22x3 23 22x2 23 ' +
  '26x2 20 19 22 23 22 25 26x3 27x2 26 24 25 19 21 26 27x2 26 27 24 21x2 26x2 28 27x3 20 24 20 21 22 21x2 23 22x2 25x2 ' +
  '24x2 26 23 26 27 26x2 27x5 28 27x5 26 30';

/** Symbol by `length:code`. */
const SYMBOLS = canonicalCode(
  CODE_LENGTHS.split(' ').flatMap((run) => {
    const [length = 0, count = 1] = run.split('x').map(Number);
    return new Array<number>(count).fill(length);
  }),
);

function canonicalCode(lengths: readonly number[]): Map<string, number> {
  const order = lengths.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length);
  const symbols = new Map<string, number>();
  let code = 0;
  let before = 0;
  for (const { length, symbol } of order) {
    code *= 2 ** (length - before);
    before = length;
    symbols.set(`${length}:${code}`, symbol);
    code += 1;
  }
  return symbols;
}

function decodeHuffman(bytes: Buffer): string {
  const out: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + ((byte >> bit) & 1);
      length += 1;
      const symbol = SYMBOLS.get(`${length}:${code}`);
      if (symbol === undefined) continue;
      if (symbol === EOS) throw new Error('EOS in a string');
      out.push(symbol);
      code = 0;
      length = 0;
    }
  }
  return Buffer.from(out).toString('utf8');
}
