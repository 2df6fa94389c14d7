const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/** 64-bit FNV-1 as a signed number. Fn uses it to turn the name of a runner into the value of a metric. */
export function instanceHash(instance: string): bigint {
  let hash = OFFSET;
  for (const byte of Buffer.from(instance)) hash = BigInt.asUintN(64, hash * PRIME) ^ BigInt(byte);
  return BigInt.asIntN(64, hash);
}
