import type { ContainerCreateOptions } from 'dockerode';
import type { ContainerPolicy } from '../container-policy.js';
import { confinement } from '../create-request.js';
import type { PreforkSettings } from './prefork-settings.js';

/** The request to create a container of the pool, isolated like a function. */
export function preforkRequest(
  name: string,
  network: string | undefined,
  settings: PreforkSettings,
  policy: ContainerPolicy,
): ContainerCreateOptions {
  const { User, Healthcheck, HostConfig } = confinement(policy);
  return {
    name,
    Hostname: name,
    Image: settings.preforkImage,
    Cmd: [...settings.preforkCommand],
    Labels: { ...policy.labels },
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(User === undefined ? {} : { User }),
    Healthcheck,
    HostConfig: {
      ...HostConfig,
      LogConfig: { Type: 'none', Config: {} },
      ...(network === undefined ? {} : { NetworkMode: network }),
    },
  };
}
