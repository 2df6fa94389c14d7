import { type Logger, silentLogger, wallMs } from '@fnfleet/core';
import { ExpiryNotice } from './expiry-notice.js';

const DAY_MS = 86_400_000;
const FILES = { cert: '/tls.crt', key: '/tls.key', ca: '/ca.crt' };

it.each([
  ['cert', 'the TLS certificate', '/tls.crt', 'fnfleet certs renew'],
  ['ca', 'the CA of the fleet', '/ca.crt', 'fnfleet certs rotate-ca'],
] as const)(
  'warns of the end of the %s 14 days, 3 days and one day before, and when it has come',
  (endsFirst, what, file, remedy) => {
    const said: Record<number, string> = {};
    let day = 0;
    const note = (message: string, fields?: object) => {
      said[day] = message;
      expect(fields).toEqual({ file, remedy, expiresAt: '1970-01-21T00:00:00.000Z' });
    };
    const logger: Logger = { ...silentLogger, warn: note, error: note };
    const notice = new ExpiryNotice(FILES, logger);
    const material = { cert: '', key: '', ca: '', names: [], expiresAt: wallMs(20 * DAY_MS), endsFirst };
    for (day = 0; day < 25; day += 0.25) notice.look(material, wallMs(day * DAY_MS));
    notice.close();
    expect(said).toEqual({
      6: `${what} expires in less than 14 days`,
      17: `${what} expires in less than 3 days`,
      19: `${what} expires in less than a day`,
      20: `${what} has expired; peers refuse it`,
    });
  },
);
