import { type WallMs, wallMs } from '../clock.js';
import type { Call } from './call.js';
import { CallDecodeError, decodeCall, encodeCall } from './call-json.js';
import { CallTemplate } from './call-template.js';

const CALL: Call = {
  id: 'c1',
  image: 'img:1',
  type: 'detached',
  fnId: 'f1',
  appId: 'a1',
  appName: 'myapp',
  triggerId: 't1',
  method: 'PUT',
  url: 'http://lb/t/myapp/s',
  headers: { 'Set-Cookie': ['a', 'b'] },
  config: { A: '1' },
  annotations: { k: { z: 1, a: [null] } },
  syslogUrl: 'udp://log:514',
  timeoutSeconds: 30,
  idleTimeoutSeconds: 60,
  memoryMb: 128,
  tmpfsMb: 64,
  cpuMillis: 500,
  status: 'queued',
  createdAt: wallMs(Date.UTC(2019, 0, 24)),
  startedAt: undefined,
  completedAt: undefined,
};

describe('a call on the wire', () => {
  it('is the same after a round trip', () => {
    expect(decodeCall(encodeCall(CALL))).toEqual(CALL);
  });

  it('omits empty fields, but never the id; dates are never sent', () => {
    const bare = decodeCall('{}');
    expect(JSON.parse(encodeCall(bare))).toEqual({
      id: '',
      status: 'queued',
      type: 'sync',
      completed_at: '0001-01-01T00:00:00.000Z',
      created_at: '0001-01-01T00:00:00.000Z',
      started_at: '0001-01-01T00:00:00.000Z',
      app_id: '',
      app_name: '',
      trigger_id: '',
      fn_id: '',
    });
  });

  describe('of a function whose fields were encoded before', () => {
    const FIELDS = { name: 'f', shape: '', createdAt: undefined, updatedAt: undefined };
    const app = { ...FIELDS, id: 'a1', syslogUrl: 'udp://log:514', config: { A: '"1"' }, annotations: {} };
    const fn = { ...FIELDS, id: 'f1', appId: 'a1', image: 'img:1', config: {}, annotations: { 'a b': [null] } };
    const template = new CallTemplate(app, { ...fn, memoryMb: 128, timeoutSeconds: 30, idleTimeoutSeconds: 0 });
    const parts = { id: 'c1', method: 'PUT', url: 'http://lb/\u00fc"\\', createdAt: CALL.createdAt as WallMs };
    const made = (headers: Call['headers'] = {}) => template.call({ ...parts, type: 'sync', headers });
    /** The same with maps of its own, for which nothing is cached. */
    const whole = (call: Call) => encodeCall({ ...call, config: { ...call.config } });

    it.each<[string, Call]>([
      ['as it came', made()],
      [
        'with headers of all kinds',
        made({ A: ['1', '2'], B: ['a "quoted" \\ text'], C: ['\u00fc\n\ud800'], D: [], 'E"': [''] }),
      ],
      ['with a header that is no ordinary key', made(JSON.parse('{"__proto__":["a"],"1":["b"]}'))],
      [
        'that has begun, and failed',
        { ...made(), startedAt: wallMs(1), completedAt: wallMs(2.5), error: 'a\tb', status: 'error' },
      ],
      ['through a trigger, detached', { ...made(), triggerId: 't"1', type: 'detached' }],
      ['without URL and method', { ...made(), url: '', method: '' }],
      ['whose limits were changed', { ...made(), timeoutSeconds: 5, tmpfsMb: 64, cpuMillis: 500 }],
      ['whose image was changed', { ...made(), image: '' }],
      ['whose annotations were changed', { ...made(), annotations: {} }],
    ])('%s, is the same text', (_, call) => {
      expect(encodeCall(call)).toBe(whole(call));
    });

    it('cannot have its shared parts changed', () => {
      expect(() => Object.assign(made().config, { A: '2' })).toThrow(TypeError);
      expect(() => Object.assign(made().annotations, { k: 1 })).toThrow(TypeError);
    });
  });

  it('is read as peers write it: any case, null for absent, fields of other releases', () => {
    const call = decodeCall(
      '{"ID":"c1","Fn_ID":"f1","image":null,"config":null,"priority":1,"execution_duration":5,"cpus":null,"created_at":""}',
    );
    expect(call).toMatchObject({ id: 'c1', fnId: 'f1', image: '', config: {}, cpuMillis: 0, createdAt: 0 });
  });

  it('accepts any header name as a header, and nothing else', () => {
    const { headers } = decodeCall('{"headers":{"__proto__":["a"],"x-b":["b"]}}');
    expect(Object.entries(headers)).toEqual([
      ['__proto__', ['a']],
      ['X-B', ['b']],
    ]);
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
  });

  it.each([
    ['{"config":{"a":1}}', 'field config.a: expected text, got number'],
    ['{"headers":{"a":"b"}}', 'field headers.a: expected a list of texts, got string'],
    ['{"Annotations":[]}', 'field annotations: expected an object, got a list'],
  ])('%s is rejected', (json, message) => {
    expect(() => decodeCall(json)).toThrow(`call: ${message}`);
  });

  it('has header names in canonical form', () => {
    expect(decodeCall('{"headers":{"x-one":["1"]}}').headers).toEqual({ 'X-One': ['1'] });
  });

  it.each([
    ['sync', 'sync'],
    ['detached', 'detached'],
    ['async', 'async'],
    ['', 'sync'],
    ['Async', 'sync'],
    ['later', 'sync'],
  ])('of type "%s" runs as %s', (type, runsAs) => {
    expect(decodeCall(JSON.stringify({ type })).type).toBe(runsAs);
  });

  it('gives CPU as text in thousandths or in cores', () => {
    expect(decodeCall('{"cpus":"100m"}').cpuMillis).toBe(100);
    expect(decodeCall('{"cpus":"0.1"}').cpuMillis).toBe(100);
    expect(JSON.parse(encodeCall({ ...CALL, cpuMillis: 100 })).cpus).toBe('100m');
    expect(() => decodeCall('{"cpus":1}')).toThrow(expect.objectContaining({ code: 'invalidJson' }));
    expect(() => decodeCall('{"cpus":"1024001m"}')).toThrow(expect.objectContaining({ code: 'invalidCpus' }));
  });

  it.each([
    'nonsense',
    '[]',
    'null',
    '{"id":1}',
    '{"timeout":"30"}',
    '{"timeout":-1}',
    '{"memory":1.5}',
    '{"config":{"A":1}}',
    '{"headers":{"A":"1"}}',
    '{"headers":{"A":[1]}}',
    '{"annotations":[]}',
    '{"created_at":"yesterday"}',
  ])('%s is not a call', (json) => {
    expect(() => decodeCall(json)).toThrow(CallDecodeError);
  });
});
