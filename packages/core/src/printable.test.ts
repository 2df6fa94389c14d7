import { printable, printableLine } from './printable.js';

describe('external text', () => {
  it.each`
    what                           | text                               | shown
    ${'colours'}                   | ${'\x1b[31mred\x1b[0m'}            | ${'\\u001b[31mred\\u001b[0m'}
    ${'a window title'}            | ${'\x1b]0;owned\x07'}              | ${'\\u001b]0;owned\\u0007'}
    ${'an 8-bit control sequence'} | ${'\x9b2J'}                        | ${'\\u009b2J'}
    ${'a carriage return'}         | ${'all is lost\rall is well'}      | ${'all is lost\\u000dall is well'}
    ${'a backspace'}               | ${'no\b\byes'}                     | ${'no\\u0008\\u0008yes'}
    ${'NUL, vertical tab, DEL'}    | ${'\0\x0b\x7f'}                    | ${'\\u0000\\u000b\\u007f'}
    ${'a direction override'}      | ${'txt.\u202eexe'}                 | ${'txt.\\u202eexe'}
    ${'an isolate'}                | ${'\u2066a\u2069'}                 | ${'\\u2066a\\u2069'}
    ${'zero-width characters'}     | ${'pay\u200bpal\ufeff'}            | ${'pay\\u200bpal\\ufeff'}
    ${'a line separator'}          | ${'a\u2028b\u2029c\u0085d'}        | ${'a\\u2028b\\u2029c\\u0085d'}
    ${'a text in another script'}  | ${'größer, 日本語, ‘x’ → 😀\n\ty'} | ${'größer, 日本語, ‘x’ → 😀\n\ty'}
  `('is shown with $what escaped', ({ text, shown }) => {
    expect(printable(text)).toBe(shown);
  });

  it('is the same JSON afterwards', () => {
    const value = { line: '\x1b[2J \x9b \u202e \x7f "quoted" \\ \n', deep: ['\0'] };
    const shown = printable(JSON.stringify(value, undefined, 2));
    expect(shown).not.toMatch(/[[\p{Cc}\p{Bidi_Control}]--[\n]]/v);
    expect(JSON.parse(shown)).toEqual(value);
  });

  it('can be limited to one line of a given length', () => {
    expect(printableLine('a\nb\x1bc')).toBe('a\\u000ab\\u001bc');
    expect(printableLine('x'.repeat(11), 10)).toBe(`${'x'.repeat(10)}…`);
    expect(printableLine('x'.repeat(10), 10)).toBe('x'.repeat(10));
  });
});
