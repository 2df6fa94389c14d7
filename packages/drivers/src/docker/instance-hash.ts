const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/** FNV-1 with 64 bits, as a signed number: what Fn makes of a runner's name to have a number for a metric. */
export function instanceHash(instance: string): bigint {
  let hash = OFFSET;
  for (const byte of Buffer.from(instance)) hash = BigInt.asUintN(64, hash * PRIME) ^ BigInt(byte);
  return BigInt.asIntN(64, hash);
}
