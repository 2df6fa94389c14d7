import { ConnectionError, H2_ERROR, MAX_WINDOW_BYTES, SETTING } from './wire.js';

const ENTRY_BYTES = 6;
const MIN_FRAME_SIZE = 16_384;
const MAX_FRAME_SIZE = 2 ** 24 - 1;

export function settingsPayload(settings: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * ENTRY_BYTES);
  settings.forEach(([setting, value], index) => {
    payload.writeUInt16BE(setting, index * ENTRY_BYTES);
    payload.writeUInt32BE(value, index * ENTRY_BYTES + 2);
  });
  return payload;
}

/** @throws ConnectionError if a value is not allowed */
export function* readSettings(
  bytes: Buffer,
  start: number,
  length: number,
): Generator<[setting: number, value: number]> {
  if (length % ENTRY_BYTES !== 0) throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, 'SETTINGS');
  for (let at = start; at < start + length; at += ENTRY_BYTES) {
    const setting = bytes.readUInt16BE(at);
    const value = bytes.readUInt32BE(at + 2);
    if (setting === SETTING.ENABLE_PUSH && value > 1) refuse(H2_ERROR.PROTOCOL_ERROR, setting);
    if (setting === SETTING.INITIAL_WINDOW_SIZE && value > MAX_WINDOW_BYTES)
      refuse(H2_ERROR.FLOW_CONTROL_ERROR, setting);
    if (setting === SETTING.MAX_FRAME_SIZE && (value < MIN_FRAME_SIZE || value > MAX_FRAME_SIZE)) {
      refuse(H2_ERROR.PROTOCOL_ERROR, setting);
    }
    yield [setting, value];
  }
}

function refuse(code: number, setting: number): never {
  throw new ConnectionError(code, `invalid value of setting ${setting}`);
}
