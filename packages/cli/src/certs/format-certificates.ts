import type { CertificateInfo } from './fleet-certs.js';

const HEAD = ['NAME', 'EXPIRES', 'DAYS', 'SIGNED BY', 'NAMES'] as const;

/** A human-readable table. */
export function formatCertificates(certificates: readonly CertificateInfo[]): string[] {
  if (certificates.length === 0) return ['no certificates'];
  const rows = certificates.map(({ name, expiresAt, daysLeft, issuer, current, names }) => [
    name,
    expiresAt.slice(0, 10),
    daysLeft <= 0 ? 'expired' : `${daysLeft}`,
    current ? issuer : `${issuer} (previous)`,
    names.join(' '),
  ]);
  const lines = [[...HEAD], ...rows];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
