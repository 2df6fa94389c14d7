import { HeaderDecoder, literalHeaders } from './hpack.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

it('reads the requests of RFC 7541, C.4: Huffman coding, and a table that grows', () => {
  const decoder = new HeaderDecoder();
  const common = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  expect(decoder.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))).toEqual(common);
  expect(decoder.decode(hex('8286 84be 5886 a8eb 1064 9cbf'))).toEqual([...common, ['cache-control', 'no-cache']]);
  expect(decoder.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'))).toEqual([
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ]);
});

it('reads what it writes itself', () => {
  const headers = [
    ['a', ''],
    ['long', 'x'.repeat(300)],
  ] as const;
  expect(new HeaderDecoder().decode(literalHeaders(headers))).toEqual(headers);
});
