import { checkEngineVersion } from './engine-version.js';

describe('the version of the engine', () => {
  it.each(['17.10.0-ce', '17.10.0', '17.10.0-rc1', '17.12.1-ce', '20.10.24+dfsg1', '28.2.2'])(
    '%s will do',
    (version) => {
      expect(() => checkEngineVersion(version)).not.toThrow();
    },
  );

  it.each(['1.13.1', '17.09.1-ce', '17.10.0-beta'])('agent-and-docker 57: %s is too old', (version) => {
    expect(() => checkEngineVersion(version)).toThrow(
      `docker version is too old. Required: 17.10.0-ce Found: ${version}`,
    );
  });

  it.each(['', 'dev', '20.10'])('agent-and-docker 57: %p cannot be read', (version) => {
    expect(() => checkEngineVersion(version)).toThrow('cannot read the docker version');
  });
});
