import { LOAD_TRAILER } from '../../wire/orca.js';
import { EngageHeads, PLAIN_HEAD, trailers } from '../response-heads.js';
import { HpackDecoder } from './decoder.js';
import { encodeField, encodeHeaders, isFieldValue } from './encoder.js';
import { STATIC_NAMES, STATIC_VALUES } from './static-table.js';

const fieldsOf = (block: Buffer) => new HpackDecoder(64 * 1024).decode(block, 0, block.length)?.fields;

it('every field of the static table is one byte, and can be decoded', () => {
  for (let index = 1; index < STATIC_NAMES.length; index += 1) {
    const [name, value] = [STATIC_NAMES[index] ?? '', STATIC_VALUES[index] ?? ''];
    const block = encodeField(name, value);
    expect([name, block.length, fieldsOf(block)]).toEqual([name, 1, [name, value]]);
  }
});

it.each`
  name              | value    | hex
  ${':status'}      | ${'201'} | ${'0803323031'}
  ${'content-type'} | ${'x'}   | ${'0f100178'}
  ${'via'}          | ${'a'}   | ${'0f2d0161'}
  ${'grpc-status'}  | ${'0'}   | ${'000b677270632d7374617475730130'}
  ${'x'}            | ${''}    | ${'00017800'}
`('$name: $value is $hex', ({ name, value, hex }) => {
  expect(encodeField(name, value).toString('hex')).toBe(hex);
  expect(fieldsOf(encodeField(name, value))).toEqual([name, value]);
});

it.each([0, 1, 126, 127, 128, 254, 255, 256, 16_383, 20_000])('a value of %i bytes can be decoded', (length) => {
  const value = 'v'.repeat(length);
  expect(fieldsOf(encodeField('x', value))).toEqual(['x', value]);
});

it('several fields are one block', () => {
  const fields = [
    [':status', '200'],
    ['x', '1'],
    ['x', '2'],
  ] as const;
  expect(fieldsOf(encodeHeaders(fields))).toEqual(fields.flat());
});

it.each`
  value         | fits
  ${''}         | ${true}
  ${'a b\t~'}   | ${true}
  ${'\x80\xff'} | ${true}
  ${'a\nb'}     | ${false}
  ${'\0'}       | ${false}
  ${'\x7f'}     | ${false}
  ${'€'}        | ${false}
`('$value can be sent: $fits', ({ value, fits }) => {
  expect(isFieldValue(value)).toBe(fits);
});

describe('the response of a runner', () => {
  it('has a head of gRPC, with its process and its guarantee where it has them', () => {
    const plain = [':status', '200', 'content-type', 'application/grpc'];
    expect(fieldsOf(PLAIN_HEAD)).toEqual(plain);
    const heads = new EngageHeads('abc');
    const own = [...plain, 'fnfleet-incarnation', 'abc'];
    expect(fieldsOf(heads.of('none'))).toEqual(own);
    expect(fieldsOf(heads.of('announced'))).toEqual([...own, 'fnfleet-started', '1']);
    expect(fieldsOf(heads.of('confirmed'))).toEqual([...own, 'fnfleet-started', '2']);
  });

  it.each`
    code  | details      | load         | fields
    ${0}  | ${''}        | ${undefined} | ${['grpc-status', '0']}
    ${0}  | ${''}        | ${'AAAA'}    | ${['grpc-status', '0', LOAD_TRAILER, 'AAAA']}
    ${0}  | ${'ignored'} | ${undefined} | ${['grpc-status', '0']}
    ${13} | ${''}        | ${undefined} | ${['grpc-status', '13']}
    ${13} | ${'50% off'} | ${'AAAA'}    | ${['grpc-status', '13', 'grpc-message', '50%25 off', LOAD_TRAILER, 'AAAA']}
  `('ends with trailers: $fields', ({ code, details, load, fields }) => {
    expect(fieldsOf(trailers(code, details, load))).toEqual(fields);
  });
});
