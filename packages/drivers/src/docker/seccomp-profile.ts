import { readSmallFile } from '@fnfleet/core';

const EXPECTED = 'FN_DOCKER_SECCOMP_PROFILE: expected a file with {"defaultAction": "SCMP_ACT_…", "syscalls": […]}';

/**
 * Reads a seccomp profile, as the engine takes it: the text itself, since the engine may be on another machine.
 * @throws Error when it cannot be read or is none
 */
export async function readSeccompProfile(path: string): Promise<string> {
  const text = await readSmallFile(path).catch((cause: Error) => {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: ${cause.message}`, { cause });
  });
  const profile = parse(text, path);
  // The engine takes an object of any kind, and one without a default action would stop every container at its start.
  if (!/^SCMP_ACT_[A-Z_]+$/.test(String(profile?.defaultAction))) {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: it has no valid defaultAction`);
  }
  return JSON.stringify(profile);
}

function parse(text: string, path: string): { readonly defaultAction?: unknown } | null {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}
