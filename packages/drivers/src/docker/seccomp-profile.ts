import { readSmallFile } from '@fnfleet/core';

const EXPECTED = 'FN_DOCKER_SECCOMP_PROFILE: expected a file with {"defaultAction": "SCMP_ACT_…", "syscalls": […]}';

/**
 * Reads a seccomp profile. The engine gets its content, because it may be on another machine.
 * @throws Error when it cannot be read or is invalid
 */
export async function readSeccompProfile(path: string): Promise<string> {
  const text = await readSmallFile(path).catch((cause: Error) => {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: ${cause.message}`, { cause });
  });
  const profile = parse(text, path);
  // The engine accepts any object, and without a default action every container would fail to start.
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
