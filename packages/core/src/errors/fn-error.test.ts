import { CancelledError, describeError, errorBody, FnError, PeerError } from './fn-error.js';
import { ERRORS } from './table.js';

describe('errors', () => {
  it('fill in the placeholders of their text, once', () => {
    const error = new FnError('requestTooBig', { params: { length: 11, max: 10 } });
    expect(error.message).toBe('Content-Length too large for this server, 11 > max 10');
    expect(error.status).toBe(413);
    const sly = new FnError('imagePullFailed', { params: { image: '{reason}', reason: 'gone' }, status: 404 });
    expect(sly.message).toBe("Failed to pull image '{reason}': gone");
    expect(sly.status).toBe(404);
    expect(new FnError('badRequest').message).toBe('Bad request: {reason}');
  });

  it('name who is to blame', () => {
    expect(new FnError('callTimeout').blame).toBe('function');
    expect(new FnError('serverBusy').blame).toBe('platform');
    expect(new PeerError(502, 'x', 'function').blame).toBe('function');
  });

  it('keep their cause, and keep a known error as it is', () => {
    const cause = new Error('ENOSPC');
    const known = new FnError('internal', { cause });
    expect(FnError.from(known)).toBe(known);
    expect(FnError.from(cause)).toMatchObject({ code: 'internal', cause });
  });

  it.each([
    [new FnError('appNotFound'), 404, 'App not found', 'caller'],
    [new PeerError(502, 'function failed', 'function'), 502, 'function failed', 'function'],
    [new PeerError(0, 'no code', 'platform'), 500, 'no code', 'platform'],
    [new CancelledError(), 444, 'Client cancelled context', 'caller'],
    [new Error('password=hunter2'), 500, 'internal server error', 'platform'],
    ['thrown text', 500, 'internal server error', 'platform'],
  ])('show a client only what it may know: %s', (error, status, message, blame) => {
    expect(describeError(error)).toEqual({ status, message, blame });
  });

  it.each`
    error                                                                  | seconds
    ${new FnError('serverBusy')}                                           | ${15}
    ${new FnError('serverBusy', { retryAfterSeconds: 2.4 })}               | ${3}
    ${new FnError('appOverShare', { retryAfterSeconds: 0 })}               | ${1}
    ${new FnError('serverBusy', { retryAfterSeconds: Number.NaN })}        | ${undefined}
    ${new FnError('serverBusy', { retryAfterSeconds: 1 / 0 })}             | ${undefined}
    ${new FnError('callTimeout')}                                          | ${undefined}
    ${new PeerError(503, 'Timed out - server too busy', 'platform')}       | ${15}
    ${new PeerError(503, 'Functions cannot be looked up now', 'platform')} | ${undefined}
  `('say when to retry, if that is known: $error', ({ error, seconds }) => {
    expect(describeError(error).retryAfterSeconds).toBe(seconds);
  });

  it.each([1, 99, 100, 200, 302, 399, 600, 1000, -500, Number.NaN, 500.5, Number.POSITIVE_INFINITY])(
    'of a peer with a status that is not an error status are a 500: %s',
    (status) => {
      expect(describeError(new PeerError(status, 'words', 'platform'))).toMatchObject({
        status: 500,
        message: 'words',
      });
    },
  );

  it('http-api 112: have a body of one JSON object and one newline', () => {
    expect(errorBody('say "no"')).toBe('{"message":"say \\"no\\""}\n');
  });

  it('have an error status, a text and an explanation', () => {
    for (const { status, text, doc } of Object.values(ERRORS)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(text).not.toBe('');
      expect(doc).not.toBe('');
    }
  });
});
