import { GIB, MIB } from '@fnfleet/core';

/** A human-readable size with about three digits. */
export function shownBytes(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / MIB)} MiB`;
}

/** Human-readable difference between two clocks. */
export function shownSkew(ms: number): string {
  return Math.abs(ms) < 10_000 ? `${signed(ms)} ms` : `${signed(Math.round(ms / 1000))} s`;
}

function signed(amount: number): string {
  return amount > 0 ? `+${amount}` : `${amount}`;
}
