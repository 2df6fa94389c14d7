import { PassThrough } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { createLogger, type Logger, type LoggerOptions, silentLogger } from './logging.js';

async function logged(options: Partial<LoggerOptions>, write: (logger: Logger) => void): Promise<string[]> {
  const stream = new PassThrough();
  write(createLogger({ level: 'info', format: 'text', stream, ...options }));
  stream.end();
  return (await textOf(stream)).trimEnd().split('\n');
}

describe('the log', () => {
  it('has one line per entry, whatever a client put into a field', async () => {
    const lines = await logged({}, (log) => log.info('call ended', { callId: 'c1', url: 'a\nb "c"', code: undefined }));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\S+Z INFO {2}call ended callId=c1 url="a\\nb \\"c\\""$/);
  });

  it.each(['text', 'json'] as const)('has one line an entry and no control character, as %s', async (format) => {
    const hostile = 'a\nERROR all is lost\r\x1b[2J\x9b\u202e\u2028\x7f';
    const lines = await logged({ format }, (log) => {
      log.info(hostile, { url: hostile, error: new Error(hostile), list: [hostile], deep: { text: hostile } });
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/v);
    if (format === 'json') expect(JSON.parse(lines[0] ?? '')).toMatchObject({ message: hostile, url: hostile });
  });

  it('shows an error with all its causes', async () => {
    const cause = new Error('connect ENOENT', { cause: new Error('no such socket') });
    const error = new Error('pull failed', { cause });
    const [line] = await logged({}, (log) => log.error('request failed', { error }));
    expect(line).toContain('error="pull failed: connect ENOENT: no such socket"');
  });

  it('has the fields of child loggers in JSON', async () => {
    const [line] = await logged({ format: 'json', fields: { node: 'api' } }, (log) =>
      log.child({ callId: 'c1' }).warn('slow', { ms: 7 }),
    );
    expect(JSON.parse(line ?? '')).toMatchObject({ level: 'warn', message: 'slow', node: 'api', callId: 'c1', ms: 7 });
  });

  it('omits what is below its level', async () => {
    const lines = await logged({ level: 'warn' }, (log) => {
      log.debug('no');
      log.info('no');
      log.warn('yes');
      log.error('yes');
      expect(log.debugEnabled).toBe(false);
    });
    expect(lines.map((line) => line.split(' ').pop())).toEqual(['yes', 'yes']);
    await logged({ level: 'debug' }, (log) => {
      expect(log.child({}).debugEnabled).toBe(true);
      log.debug('x');
    });
  });

  it('can be silent', () => {
    expect(silentLogger.child({ a: 1 })).toBe(silentLogger);
    expect(silentLogger.debugEnabled).toBe(false);
    silentLogger.error('nobody hears');
  });
});
