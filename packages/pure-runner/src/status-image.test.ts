import { CollectedAnswer } from './status-image.js';

describe('the response of the status image', () => {
  it('is text, however it is split', () => {
    const answer = new CollectedAnswer();
    const euro = Buffer.from('€');
    expect(answer.write(euro.subarray(0, 1))).toBe(true);
    answer.write(euro.subarray(1));
    expect(answer).toMatchObject({ text: '€', tooLarge: false });
  });

  it('is kept up to a MiB, to the byte', () => {
    const answer = new CollectedAnswer();
    answer.write(Buffer.alloc(1024 * 1024, 'x'));
    expect([answer.tooLarge, answer.text.length]).toEqual([false, 1024 * 1024]);
    answer.write(Buffer.from('y'));
    expect([answer.tooLarge, answer.text.length]).toEqual([true, 1024 * 1024]);
  });

  it('never makes the function wait', () => {
    let drained = false;
    new CollectedAnswer().onDrain(() => {
      drained = true;
    });
    expect(drained).toBe(true);
  });
});
