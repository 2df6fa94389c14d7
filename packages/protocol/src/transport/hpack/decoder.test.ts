import { HpackDecoder, HpackError } from './decoder.js';
import { encodeField, encodeHeaders } from './encoder.js';

const LIMIT = 32 * 1024;
const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');

function decode(decoder: HpackDecoder, block: Buffer): [string, string][] | undefined {
  const fields = decoder.decode(block, 0, block.length)?.fields;
  return fields && Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? '']);
}

const REQUESTS = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];
const COMMON = [
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
];
const RESPONSES = [
  [[':status', '302'], ...COMMON],
  [[':status', '307'], ...COMMON],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
];
/** The examples with responses have a table of 256 bytes. */
const TABLE_256 = '3fe101';

it.each`
  title                        | blocks                                                                                                                                                                                                                                                                                                                                                                                      | lists        | table
  ${'C.3: requests'}           | ${['828684410f7777772e6578616d706c652e636f6d', '828684be58086e6f2d6361636865', '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565']}                                                                                                                                                                                                                                               | ${REQUESTS}  | ${164}
  ${'C.4: requests, Huffman'}  | ${['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf']}                                                                                                                                                                                                                                                                   | ${REQUESTS}  | ${164}
  ${'C.5: responses'}          | ${[`${TABLE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`, '4803333037c1c0bf', '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31']} | ${RESPONSES} | ${215}
  ${'C.6: responses, Huffman'} | ${[`${TABLE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`, '4883640effc1c0bf', '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007']}                                                                       | ${RESPONSES} | ${215}
`('RFC 7541, $title', ({ blocks, lists, table }) => {
  const decoder = new HpackDecoder(LIMIT);
  expect(blocks.map((block: string) => decode(decoder, hex(block)))).toEqual(lists);
  expect(decoder.dynamicBytes).toBe(table);
});

it('decodes what the encoder writes, with names and values of any length', () => {
  const fields: [string, string][] = [
    [':method', 'POST'],
    [':path', '/RunnerProtocol/Engage'],
    ['content-type', 'application/grpc'],
    ['x', ''],
    ['long', 'v'.repeat(5000)],
    ['user-agent', 'ÿ\xa0~'],
    ...[126, 127, 128, 254, 255].map((length): [string, string] => [`n${length}`, 'x'.repeat(length)]),
  ];
  expect(decode(new HpackDecoder(LIMIT), encodeHeaders(fields))).toEqual(fields);
});

it.each`
  what                                           | block
  ${'the index 0'}                               | ${'80'}
  ${'an index beyond the table'}                 | ${'be'}
  ${'a name beyond the table'}                   | ${'7f0000'}
  ${'a number that continues too long'}          | ${'ff8080808080808000'}
  ${'an unterminated number'}                    | ${'ffff'}
  ${'a text longer than the block'}              | ${'000a61'}
  ${'a text without a length'}                   | ${'00'}
  ${'a table above the limit'}                   | ${'3fe21f'}
  ${'a change of the table size within a block'} | ${'8220'}
  ${'Huffman: the end-of-string symbol'}         | ${'0084ffffffff00'}
  ${'Huffman: padding of eight bits'}            | ${'0082f8ff00'}
  ${'Huffman: padding that is not all ones'}     | ${'008118018100'}
`('rejects $what', ({ block }) => {
  expect(() => decode(new HpackDecoder(LIMIT), hex(block))).toThrow(HpackError);
});

describe('a few bytes of a peer', () => {
  it('that repeat one large entry are not kept as a list, and the table stays correct', () => {
    const decoder = new HpackDecoder(LIMIT);
    const entry = Buffer.concat([hex('40'), encodeField('x', 'y'.repeat(3000)).subarray(1)]);
    const bomb = Buffer.concat([entry, Buffer.alloc(60_000, 0xbe)]);
    expect(decode(decoder, bomb)).toBeUndefined();
    expect(decode(decoder, hex('be'))).toEqual([['x', 'y'.repeat(3000)]]);
  });

  it('cannot grow the table beyond 4 KiB; a larger entry empties it', () => {
    const decoder = new HpackDecoder(1e9);
    const indexed = (value: string) => Buffer.concat([hex('40'), encodeField('x', value).subarray(1)]);
    for (let i = 0; i < 1000; i += 1) decode(decoder, indexed(`${i}`.repeat(100)));
    expect(decoder.dynamicBytes).toBeLessThanOrEqual(4096);
    decode(decoder, indexed('z'.repeat(5000)));
    expect(decoder.dynamicBytes).toBe(0);
  });
});

describe('limits, to the byte', () => {
  const indexed = (value: string) => Buffer.concat([hex('40'), encodeField('x', value).subarray(1)]);
  /** The size of an entry with this name, beside its value. */
  const OVERHEAD = 32 + 1;

  it.each`
    bytes   | held
    ${4096} | ${4096}
    ${4097} | ${0}
  `('an entry of $bytes bytes leaves $held in the table', ({ bytes, held }) => {
    const decoder = new HpackDecoder(LIMIT);
    decode(decoder, indexed('before'));
    decode(decoder, indexed('v'.repeat(bytes - OVERHEAD)));
    expect(decoder.dynamicBytes).toBe(held);
    const newest = () => decode(decoder, hex('be'));
    if (held === 0) expect(newest).toThrow(HpackError);
    else expect(newest()?.[0]?.[1]).toHaveLength(bytes - OVERHEAD);
    expect(() => decode(decoder, hex('bf'))).toThrow(HpackError); // what was there before had to go
  });

  it('a reduced table keeps the newest entries that fit, and accepts only what fits', () => {
    const decoder = new HpackDecoder(LIMIT);
    for (const value of ['one', 'two', 'six']) decode(decoder, indexed(value));
    const size = OVERHEAD + 3;
    decode(decoder, Buffer.from([0x3f, 2 * size - 31]));
    expect([decoder.dynamicBytes, decode(decoder, hex('bebf'))]).toEqual([
      2 * size,
      [
        ['x', 'six'],
        ['x', 'two'],
      ],
    ]);
    decode(decoder, indexed('ten'));
    expect(decode(decoder, hex('bebf'))).toEqual([
      ['x', 'ten'],
      ['x', 'six'],
    ]);
    decode(decoder, Buffer.from([0x3f, 2 * size - 32]));
    expect(decode(decoder, hex('be'))).toEqual([['x', 'ten']]);
    decode(decoder, hex('203fe11f')); // to nothing, and to all that there may be
    expect(decoder.dynamicBytes).toBe(0);
  });

  it.each`
    bytes        | kept
    ${LIMIT}     | ${true}
    ${LIMIT + 1} | ${false}
  `('a list of $bytes bytes is kept: $kept', ({ bytes, kept }) => {
    const fields: [string, string][] = [
      ['x', 'y'.repeat(1000)],
      ['x', 'z'.repeat(bytes - 1000 - 2 * OVERHEAD)],
    ];
    expect(decode(new HpackDecoder(LIMIT), encodeHeaders(fields))).toEqual(kept ? fields : undefined);
  });

  it('a change of the table size after an omitted field is within the block', () => {
    const large = encodeField('x', 'y'.repeat(LIMIT));
    expect(() => decode(new HpackDecoder(LIMIT), Buffer.concat([large, hex('20')]))).toThrow(HpackError);
  });

  it.each`
    length            | fine
    ${'7f00'}         | ${true}
    ${'7f80808000'}   | ${true}
    ${'7f8080808000'} | ${false}
  `('a length of 127 may be written as $length: $fine', ({ length, fine }) => {
    const block = Buffer.concat([hex(`000178${length}`), Buffer.alloc(127, 'v')]);
    const read = () => decode(new HpackDecoder(LIMIT), block);
    if (fine) expect(read()).toEqual([['x', 'v'.repeat(127)]]);
    else expect(read).toThrow(HpackError);
  });

  it('a Huffman text may be as long as its block', () => {
    const letters = 20_000; // 'a' is five bits
    const code = Buffer.alloc((letters * 5) / 8);
    for (let i = 0; i < code.length; i += 5) hex('18c6318c63').copy(code, i);
    const length = code.length - 127;
    const head = Buffer.from([0, 1, 0x78, 0xff, (length & 127) | 128, length >> 7]);
    expect(decode(new HpackDecoder(LIMIT), Buffer.concat([head, code]))).toEqual([['x', 'a'.repeat(letters)]]);
  });
});

describe('repeated heads', () => {
  const block = encodeHeaders([
    [':status', '200'],
    ['x', 'y'],
  ]);

  it('are decoded once', () => {
    const decoder = new HpackDecoder(LIMIT);
    expect(decoder.decode(block, 0, block.length)).toBe(decoder.decode(Buffer.from(block), 0, block.length));
  });

  it('are decoded again while a dynamic table is in use, and blocks that fill it are never cached', () => {
    const decoder = new HpackDecoder(LIMIT);
    const fills = hex('884001610162');
    decode(decoder, fills);
    expect(decode(decoder, fills)).toEqual([
      [':status', '200'],
      ['a', 'b'],
    ]);
    expect(decoder.dynamicBytes).toBe(2 * 34);
    expect(decoder.decode(block, 0, block.length)).not.toBe(decoder.decode(block, 0, block.length));
  });

  it.each`
    what                                        | again                                    | same
    ${'a head of 512 bytes'} | ${encodeHeaders([[':status', '200'], ['x', 'y'.repeat(505)]])} | ${true}
    ${'a head of 513 bytes'} | ${encodeHeaders([[':status', '200'], ['x', 'y'.repeat(506)]])} | ${false}
    ${'trailers, of which no two are the same'} | ${encodeHeaders([['grpc-status', '0']])} | ${false}
  `('$what: remembered, $same', ({ again, same }) => {
    const decoder = new HpackDecoder(LIMIT);
    const [first, second] = [1, 2].map(() => decoder.decode(again, 0, again.length));
    expect(first).toEqual(second);
    expect(first === second).toBe(same);
  });

  it('a list that is too large is rejected each time', () => {
    const decoder = new HpackDecoder(40);
    expect([decode(decoder, block), decode(decoder, block)]).toEqual([undefined, undefined]);
  });

  it('an empty block is an empty list', () => {
    expect(decode(new HpackDecoder(LIMIT), Buffer.alloc(0))).toEqual([]);
  });

  it('are few: different ones do not accumulate', () => {
    const decoder = new HpackDecoder(LIMIT);
    const first = decoder.decode(block, 0, block.length);
    for (let i = 0; i < 100; i += 1) decode(decoder, Buffer.concat([block, encodeField('n', `${i}`)]));
    expect(decoder.decode(block, 0, block.length)).not.toBe(first);
  });
});

it.each`
  what                      | block
  ${'a value'}              | ${'000178' + '0561'}
  ${'a name'}               | ${'0005' + '78'}
  ${'a Huffman code'}       | ${'000178' + '85ff'}
  ${'the length of a text'} | ${'0001787f'}
  ${'an index'}             | ${'ff'}
`('$what that exceeds its block is rejected, even if bytes follow in memory', ({ block }) => {
  const bytes = Buffer.concat([Buffer.from(block, 'hex'), Buffer.alloc(50, 0x61)]);
  expect(() => new HpackDecoder(1_000).decode(bytes, 0, block.length / 2)).toThrow(/cut off|no Huffman code/);
});
