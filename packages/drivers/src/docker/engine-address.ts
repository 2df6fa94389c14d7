import { join } from 'node:path';
import { readSmallFileSync, SettingsError } from '@fnfleet/core';

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const TLS_PORT = 2376;

export interface EngineAddressSettings {
  readonly dockerHost: string | undefined;
  readonly dockerTlsVerify: string | undefined;
  readonly dockerCertPath: string | undefined;
}

export interface EngineAddress {
  /** For messages. */
  readonly text: string;
  readonly options: EngineConnection;
}

/** Options of a connection to the engine. */
export interface EngineConnection {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  /** Default: http. */
  readonly protocol?: 'http' | 'https';
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * The engine that the settings name, by the rules of the docker command.
 * @throws SettingsError when the address cannot be understood or a certificate cannot be read
 */
export function engineAddress(settings: EngineAddressSettings): EngineAddress {
  const text = settings.dockerHost ?? DEFAULT_HOST;
  if (text.startsWith('unix://')) {
    return { text, options: { socketPath: text.slice('unix://'.length) } };
  }
  const url = URL.parse(text.includes('://') ? text : `tcp://${text}`);
  if (url === null || !['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new SettingsError([`DOCKER_HOST: expected unix:///path or tcp://host:port, got ${JSON.stringify(text)}`]);
  }
  const port = url.port === '' ? 2375 : Number(url.port);
  const secure = Boolean(settings.dockerTlsVerify) || port === TLS_PORT || url.protocol === 'https:';
  return {
    text,
    options: {
      // Brackets belong to addresses in URLs only.
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      protocol: secure ? 'https' : 'http',
      ...(secure && settings.dockerCertPath ? certificates(settings.dockerCertPath) : {}),
    },
  };
}

function certificates(folder: string): EngineConnection {
  const read = (name: string) => {
    try {
      return readSmallFileSync(join(folder, name));
    } catch (error) {
      throw new SettingsError([`DOCKER_CERT_PATH: ${join(folder, name)} cannot be read: ${(error as Error).message}`]);
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
