import { randomInt } from 'node:crypto';
import { networkInterfaces } from 'node:os';

/**
 * Ids of apps, functions, triggers and calls: 16 bytes as 26 characters of Crockford's base 32, in ULID layout.
 *
 *   bytes 0–5    Unix time in milliseconds
 *   bytes 6–11   machine: IPv4 address, then a port; random where nobody says which
 *   bytes 12–15  counter of this process, first value 1
 *
 * Ids made by one process sort in the order they were made.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const COUNTER_LIMIT = 2 ** 32;

export class IdGenerator {
  private counter = 0;
  private lastMs = -1;
  private timePart = '';
  private readonly machine: bigint;
  /** Its last 8 bits, in the place that they have in the last 8 characters. */
  private readonly machineTail: number;

  /** @param machine has to differ between processes that may give out ids in the same millisecond */
  constructor(machine: { ipv4: string; port: number } = randomMachine()) {
    const [a = 127, b = 0, c = 0, d = 1] = machine.ipv4.split('.').map(Number);
    this.machine = (BigInt(((a << 24) | (b << 16) | (c << 8) | d) >>> 0) << 16n) | BigInt(machine.port & 0xffff);
    this.machineTail = Number(this.machine & 0xffn) * COUNTER_LIMIT;
  }

  next(nowMs: number = Date.now()): string {
    this.counter = (this.counter + 1) % COUNTER_LIMIT;
    // The first 18 characters hold 48 bits of time and 42 of the 48 machine bits; they change once a millisecond.
    if (nowMs !== this.lastMs) {
      this.lastMs = nowMs;
      this.timePart = encodeBase32(((BigInt(nowMs) << 48n) | this.machine) >> 8n, 18);
    }
    return this.timePart + encodeTail(this.machineTail + this.counter);
  }
}

/** An address says nothing of which process it is: runners of one host name containers of one engine. */
function randomMachine(): { ipv4: string; port: number } {
  const byte = () => randomInt(256);
  return { ipv4: `${byte()}.${byte()}.${byte()}.${byte()}`, port: randomInt(65_536) };
}

/** The id for given parts; `IdGenerator` is the same with its own counter. */
export function encodeId(unixMs: number, ipv4: string, port: number, counter: number): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  const machine = (BigInt(((a << 24) | (b << 16) | (c << 8) | d) >>> 0) << 16n) | BigInt(port & 0xffff);
  return encodeBase32((BigInt(unixMs) << 80n) | (machine << 32n) | BigInt(counter), 26);
}

/** The last 8 characters: 40 bits, which a number holds exactly and encodes much faster than a bigint. */
function encodeTail(value: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < 8; i += 1) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
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

/** The first IPv4 address that is neither loopback nor Docker's bridge, else 127.0.0.1. */
export function localIpv4(): string {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (name === 'lo' || name === 'docker0') continue;
    const found = addresses?.find((address) => address.family === 'IPv4' && address.address !== '127.0.0.1');
    if (found) return found.address;
  }
  return '127.0.0.1';
}
