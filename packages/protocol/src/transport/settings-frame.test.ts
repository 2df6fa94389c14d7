import { readSettings, settingsPayload } from './settings-frame.js';
import { ConnectionError, H2_ERROR, SETTING } from './wire.js';

const read = (bytes: Buffer, start = 0, length = bytes.length) => [...readSettings(bytes, start, length)];

it('settings are the same after a round trip, wherever they are in memory', () => {
  const settings: [number, number][] = [
    [SETTING.ENABLE_PUSH, 0],
    [SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1],
    [0xffff, 0xffffffff],
  ];
  const payload = settingsPayload(settings);
  expect(payload.toString('hex')).toBe('00020000000000047fffffffffffffffffff');
  expect(read(payload)).toEqual(settings);
  expect(read(Buffer.concat([Buffer.alloc(5, 0xff), payload, Buffer.alloc(9, 0xff)]), 5, payload.length)).toEqual(
    settings,
  );
  expect(read(settingsPayload([]))).toEqual([]);
});

it.each([1, 5, 7])('%i bytes are not settings', (length) => {
  expect(() => read(Buffer.alloc(length))).toThrow(new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'SETTINGS'));
});

it.each`
  setting                        | value          | code
  ${SETTING.ENABLE_PUSH}         | ${0}           | ${undefined}
  ${SETTING.ENABLE_PUSH}         | ${1}           | ${undefined}
  ${SETTING.ENABLE_PUSH}         | ${2}           | ${H2_ERROR.PROTOCOL_ERROR}
  ${SETTING.INITIAL_WINDOW_SIZE} | ${2 ** 31 - 1} | ${undefined}
  ${SETTING.INITIAL_WINDOW_SIZE} | ${2 ** 31}     | ${H2_ERROR.FLOW_CONTROL_ERROR}
  ${SETTING.MAX_FRAME_SIZE}      | ${16_383}      | ${H2_ERROR.PROTOCOL_ERROR}
  ${SETTING.MAX_FRAME_SIZE}      | ${16_384}      | ${undefined}
  ${SETTING.MAX_FRAME_SIZE}      | ${2 ** 24 - 1} | ${undefined}
  ${SETTING.MAX_FRAME_SIZE}      | ${2 ** 24}     | ${H2_ERROR.PROTOCOL_ERROR}
  ${SETTING.HEADER_TABLE_SIZE}   | ${2 ** 31}     | ${undefined}
  ${99}                          | ${2 ** 31}     | ${undefined}
`('setting $setting of $value is rejected with $code', ({ setting, value, code }) => {
  const attempt = () => read(settingsPayload([[setting, value]]));
  if (code === undefined) return expect(attempt()).toEqual([[setting, value]]);
  let failure: unknown;
  try {
    attempt();
  } catch (error) {
    failure = error;
  }
  expect(failure).toMatchObject({ code, message: `invalid value of setting ${setting}` });
});
