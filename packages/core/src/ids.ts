import { randomBytes } from 'node:crypto';
import { epochMs, systemClock, type WallMs } from './clock.js';

/**
 * Ids of apps, functions, triggers and calls: 16 bytes as 26 characters of Crockford's base 32, in ULID layout.
 *
 *   bytes 0–5    Unix time in milliseconds
 *   bytes 6–11   random bits of the generator. Fn has its IPv4 address and port here, but two nodes in containers on
 *                different hosts can share both
 *   bytes 12–15  counter of the generator, starting at 1
 *
 * Ids of one generator sort in the order of their creation.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODES = Buffer.from(ALPHABET);
const COUNTER_LIMIT = 2 ** 32;
const MACHINE_BYTES = 6;

export class IdGenerator {
  private counter = 0;
  private lastMs = -1;
  private timePart = '';
  private readonly machine: bigint;
  /** The last 8 bits of the machine part, at their position within the last 8 characters. */
  private readonly machineTail: number;

  /** @param machine 48 bits, which must differ between generators that may be used in the same millisecond */
  constructor(machine = randomBytes(MACHINE_BYTES).readUIntBE(0, MACHINE_BYTES)) {
    this.machine = BigInt(machine);
    this.machineTail = (machine % 256) * COUNTER_LIMIT;
  }

  next(now: WallMs = systemClock.wallNow()): string {
    this.counter = (this.counter + 1) % COUNTER_LIMIT;
    // The first 18 characters hold 48 bits of time and 42 of the 48 machine bits; they change once per millisecond.
    const nowMs = epochMs(now);
    if (nowMs !== this.lastMs) {
      this.lastMs = nowMs;
      this.timePart = encodeBase32(((BigInt(nowMs) << 48n) | this.machine) >> 8n, 18);
    }
    return this.timePart + encodeTail(this.machineTail + this.counter);
  }
}

/** The id that Fn makes of these parts. `IdGenerator` has a random number in place of address and port. */
export function encodeId(unixMs: number, ipv4: string, port: number, counter: number): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  const machine = (BigInt(((a << 24) | (b << 16) | (c << 8) | d) >>> 0) << 16n) | BigInt(port & 0xffff);
  return encodeBase32((BigInt(unixMs) << 80n) | (machine << 32n) | BigInt(counter), 26);
}

/** Its memory is used again: joining characters would make a text of each. */
const tail = Buffer.alloc(8);

/** The last 8 characters: 40 bits, which a number holds exactly and encodes much faster than a bigint. */
function encodeTail(value: number): string {
  let rest = value;
  for (let i = tail.length - 1; i >= 0; i -= 1) {
    tail[i] = CODES[rest % 32] as number;
    rest = Math.floor(rest / 32);
  }
  return tail.toString('latin1');
}

function encodeBase32(value: bigint, width: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < width; i += 1) {
    text = ALPHABET[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}
