import { LOAD_TRAILER } from '../wire/orca.js';
import { HpackDecoder } from './hpack/decoder.js';
import { trailers } from './response-heads.js';

const read = (block: Buffer) => new HpackDecoder(32 * 1024).decode(block, 0, block.length)?.fields;

it.each([0, 1, 126, 127, 128, 254, 255, 300, 5000])('status OK with a load of %i characters', (length) => {
  const load = 'x'.repeat(length);
  expect(read(trailers(0, '', load))).toEqual(['grpc-status', '0', LOAD_TRAILER, load]);
});

it('other statuses, with a message', () => {
  expect(read(trailers(0, ''))).toEqual(['grpc-status', '0']);
  expect(read(trailers(2, 'über 50 %\n', 'load'))).toEqual([
    'grpc-status',
    '2',
    'grpc-message',
    '%C3%BCber 50 %25%0A',
    LOAD_TRAILER,
    'load',
  ]);
  expect(read(trailers(13, `\ud800${'x'.repeat(5000)}`))?.[3]).toMatch(/^%EF%BF%BDx{1023}$/);
});
