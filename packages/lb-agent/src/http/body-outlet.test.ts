import type { ServerResponse } from 'node:http';
import { BodyOutlet } from './body-outlet.js';

const KIB = 1024;

/** What is written is taken when the test says so. */
class SlowResponse {
  destroyed = false;
  readonly writes: { bytes: Buffer; text: string; taken: (error?: Error) => void }[] = [];

  write(bytes: Buffer, taken: (error?: Error) => void): boolean {
    this.writes.push({ bytes, text: String(bytes), taken });
    return false;
  }

  get texts(): string[] {
    return this.writes.map(({ text }) => text);
  }
}

let res: SlowResponse;
let outlet: BodyOutlet;
beforeEach(() => {
  res = new SlowResponse();
  outlet = new BodyOutlet(res as unknown as ServerResponse);
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('what comes in one turn leaves in one write', async () => {
  for (const part of ['a', 'b', 'c']) expect(outlet.send(Buffer.from(part))).toBe(true);
  expect(res.writes).toEqual([]);
  await turn();
  outlet.send(Buffer.from('d'));
  await turn();
  expect(res.texts).toEqual(['abc', 'd']);
});

it('a client that has not taken 128 KiB is slow, and gets more when it has taken a part', async () => {
  expect(outlet.send(Buffer.alloc(127 * KIB))).toBe(true);
  expect(outlet.send(Buffer.alloc(KIB))).toBe(false);
  await turn();
  const onRoom = jest.fn();
  outlet.onRoom(onRoom);
  expect(onRoom).not.toHaveBeenCalled();
  expect(res.writes.map(({ bytes }) => bytes.length)).toEqual([64 * KIB, 64 * KIB]);
  res.writes[0]?.taken();
  res.writes[1]?.taken();
  expect(onRoom).toHaveBeenCalledTimes(1);
  expect(outlet.send(Buffer.from('more'))).toBe(true);
});

it('who asks for room that is there is called back at once, but not within the call', async () => {
  const onRoom = jest.fn();
  outlet.onRoom(onRoom);
  expect(onRoom).not.toHaveBeenCalled();
  await turn();
  expect(onRoom).toHaveBeenCalledTimes(1);
});

it('memory is used again only when the client has taken it, and a small part occupies little', async () => {
  outlet.send(Buffer.alloc(20 * KIB, 'a'));
  await turn();
  outlet.send(Buffer.alloc(20 * KIB, 'b'));
  await turn();
  outlet.send(Buffer.from('small'));
  await turn();
  const [first, second, small] = res.writes;
  expect(second?.bytes.buffer).not.toBe(first?.bytes.buffer);
  expect(small?.bytes.buffer).not.toBe(second?.bytes.buffer);
  expect([first, second, small].map((write) => String(write?.bytes) === write?.text)).toEqual([true, true, true]);
  second?.taken();
  outlet.send(Buffer.alloc(20 * KIB, 'c'));
  await turn();
  expect(res.writes[3]?.bytes.buffer).toBe(second?.bytes.buffer);
});

it('memory that a socket may still hold after an error is not used again, and nobody is called back', async () => {
  outlet.send(Buffer.alloc(128 * KIB));
  const onRoom = jest.fn();
  outlet.onRoom(onRoom);
  for (const { taken } of res.writes) taken(new Error('the client has disconnected'));
  outlet.send(Buffer.alloc(64 * KIB));
  expect(res.writes[2]?.bytes.buffer).not.toBe(res.writes[1]?.bytes.buffer);
  expect(onRoom).not.toHaveBeenCalled();
});

it('nothing is written to a response that is gone, or after a drop', async () => {
  outlet.send(Buffer.from('gone'));
  res.destroyed = true;
  await turn();
  res.destroyed = false;
  outlet.send(Buffer.from('dropped'));
  outlet.drop();
  await turn();
  expect(res.writes).toEqual([]);
});
