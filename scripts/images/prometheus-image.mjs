import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureTestTool } from '../lib/test-tools.mjs';
import { programEntries } from './base-image.mjs';
import { buildImage } from './engine.mjs';

const IMAGE = 'fnfleet/prometheus:latest';

const DOCKERFILE = `FROM scratch
COPY rootfs /
COPY --chown=65534:65534 data /
USER 65534:65534
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
`;

/**
 * Debian's Prometheus as an image, where `prom/prometheus` cannot be pulled. It takes the same arguments.
 * @param {{ progress?: import('./engine.mjs').Progress }} [options]
 * @returns {Promise<string>} its name
 */
export async function ensurePrometheusImage({ progress = () => undefined } = {}) {
  const program = await pathOf(await ensureTestTool('prometheus'));
  await buildImage({
    tag: IMAGE,
    entries: [
      { path: 'Dockerfile', content: Buffer.from(DOCKERFILE) },
      ...(await programEntries(program, 'usr/bin/prometheus')),
      { path: 'data/prometheus', directory: true },
    ],
    progress,
  });
  return IMAGE;
}

/** @param {string} name of a program, or its path */
async function pathOf(name) {
  if (name.startsWith('/')) return name;
  return (await promisify(execFile)('sh', ['-c', 'command -v "$0"', name])).stdout.trim();
}
