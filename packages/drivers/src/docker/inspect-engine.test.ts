import { checkEngineVersion } from './inspect-engine.js';

describe('the version of the engine', () => {
  it.each(['17.10.0-ce', '17.10.0', '17.10.0-rc1', '17.12.1-ce', '20.10.24+dfsg1', '28.2.2'])(
    '%s will do',
    (version) => {
      expect(() => checkEngineVersion({ product: 'docker', engine: version })).not.toThrow();
    },
  );

  it.each(['1.13.1', '17.09.1-ce', '17.10.0-beta'])('agent-and-docker 57: %s is too old', (version) => {
    expect(() => checkEngineVersion({ product: 'docker', engine: version })).toThrow(
      `docker version is too old. Required: 17.10.0-ce Found: ${version}`,
    );
  });

  it.each(['', 'dev', '20.10'])('agent-and-docker 57: %p cannot be read', (version) => {
    expect(() => checkEngineVersion({ product: 'docker', engine: version })).toThrow('cannot read the docker version');
  });

  it.each(['4.3.1', '4.9.4', '5.4.0-rc1'])('%s of Podman is accepted', (engine) => {
    expect(() => checkEngineVersion({ product: 'podman', engine })).not.toThrow();
  });

  it.each(['3.0.1', '4.3.0'])('%s of Podman is too old', (engine) => {
    expect(() => checkEngineVersion({ product: 'podman', engine })).toThrow(
      `podman version is too old. Required: 4.3.1 Found: ${engine}`,
    );
  });
});
