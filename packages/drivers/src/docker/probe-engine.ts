import type { Engine, EngineInfo, EngineVersion } from './engine.js';
import { checkEngineVersion } from './engine-version.js';

/**
 * Checks that an engine can be reached and is recent enough.
 * @param address for messages
 * @throws Error that says what to do
 */
export async function probeEngine(
  engine: Pick<Engine, 'ping' | 'version' | 'info'>,
  address: string,
): Promise<{ readonly version: EngineVersion; readonly info: EngineInfo }> {
  await engine.ping().catch((cause) => {
    throw new Error(
      `cannot reach the Docker engine at ${address}: ${(cause as Error).message}. Start it, let this user ` +
        'use it, or point DOCKER_HOST to it; FN_DRIVER=process runs functions without Docker.',
      { cause },
    );
  });
  const version = await engine.version();
  try {
    checkEngineVersion(version);
  } catch (cause) {
    const what = (cause as Error).message;
    throw new Error(`${what}. Update the Docker engine at ${address}, or point DOCKER_HOST to a newer one`, { cause });
  }
  return { version, info: await engine.info() };
}
