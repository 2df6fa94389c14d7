/** One command of a script: `a && b | c` are three. */
export interface ShellCommand {
  /** Without what is assigned before it (`FN_PORT=0 fnfleet node`), and without redirections. */
  readonly words: readonly string[];
  /** The line of the script that it begins in, from 0. */
  readonly line: number;
}

/**
 * Takes a script apart, as far as documentation needs it: quotes, comments, pipes, lists, continued lines, here-documents, and
 * commands in `$(…)` and `<(…)`. A word such as `<folder>` stands for something that the reader puts in.
 */
export function commandsOf(script: string): ShellCommand[] {
  const reader = new ScriptReader(script);
  reader.read();
  return reader.commands;
}

const PLACEHOLDER = /^<[a-z][\w ,.|…-]*>/i;
/** They begin a command, and are none. */
const KEYWORDS = new Set(['!', '{', '}', 'do', 'done', 'else', 'exec', 'fi', 'if', 'sudo', 'then', 'time', 'while']);

class ScriptReader {
  readonly commands: ShellCommand[] = [];
  private at = 0;
  private line = 0;
  private words: string[] = [];
  private began = 0;
  private word: string | undefined;
  private readonly hereDocuments: string[] = [];

  constructor(private readonly script: string) {}

  read(): void {
    while (this.at < this.script.length) this.step();
    this.endCommand();
  }

  private step(): void {
    const rest = this.script.slice(this.at);
    const char = rest.charAt(0);
    if (rest.startsWith('\\\n')) return this.skip(2);
    if (char === '\\') return this.take(rest.charAt(1), 2);
    if (char === '#' && this.word === undefined) return this.skip(/^[^\n]*/.exec(rest)?.[0].length ?? 1);
    if (char === "'") return this.quoted(rest, /^'([^']*)'/);
    if (char === '"') return this.quoted(rest, /^"((?:[^"\\]|\\.)*)"/s);
    if (/^[$<]\(/.test(rest)) return this.nested(rest);
    const [placeholder] = PLACEHOLDER.exec(rest) ?? [];
    if (placeholder !== undefined) return this.take(placeholder, placeholder.length);
    const [hereDocument, , end] = /^<<-?\s*(['"]?)(\w+)\1/.exec(rest) ?? [];
    if (hereDocument !== undefined && end !== undefined) {
      this.hereDocuments.push(end);
      return this.skip(hereDocument.length);
    }
    const [redirection] = /^\d*(?:>>|>|<)(?:&\d|\s*(?!<[a-z])[^\s;&|]+)/.exec(rest) ?? [];
    if (redirection !== undefined && (this.word === undefined || !/^\d/.test(redirection))) {
      this.endWord();
      return this.skip(redirection.length);
    }
    if (char === '\n') return this.endLine();
    if (/[;&|()]/.test(char)) {
      this.endCommand();
      return this.skip(1);
    }
    if (/\s/.test(char)) {
      this.endWord();
      return this.skip(1);
    }
    this.take(char, 1);
  }

  private skip(count: number): void {
    this.line += this.script.slice(this.at, this.at + count).split('\n').length - 1;
    this.at += count;
  }

  private take(text: string, count: number): void {
    if (this.words.length === 0 && this.word === undefined) this.began = this.line;
    this.word = (this.word ?? '') + text;
    this.skip(count);
  }

  private quoted(rest: string, form: RegExp): void {
    const [all, content = ''] = form.exec(rest) ?? [];
    if (all === undefined) throw new Error(`line ${this.line + 1}: a quote without an end`);
    for (const [, inner = ''] of content.matchAll(/\$\(([^()]*)\)/g)) this.inner(inner);
    this.take(content, all.length);
  }

  private nested(rest: string): void {
    let depth = 0;
    let end = 1;
    do {
      const char = rest.charAt(end);
      if (char === '') throw new Error(`line ${this.line + 1}: a parenthesis without an end`);
      if (char === '(') depth += 1;
      if (char === ')') depth -= 1;
      end += 1;
    } while (depth > 0);
    this.inner(rest.slice(2, end - 1));
    this.take('$(…)', end);
  }

  private inner(script: string): void {
    this.commands.push(...commandsOf(script).map(({ words, line }) => ({ words, line: line + this.line })));
  }

  private endLine(): void {
    this.endCommand();
    this.skip(1);
    for (const end of this.hereDocuments.splice(0)) {
      const lines = this.script.slice(this.at).split('\n');
      const last = lines.indexOf(end);
      if (last < 0) throw new Error(`line ${this.line + 1}: no line ${end} ends the here-document`);
      this.skip(lines.slice(0, last + 1).join('\n').length);
    }
  }

  private endWord(): void {
    if (this.word !== undefined) this.words.push(this.word);
    this.word = undefined;
  }

  private endCommand(): void {
    this.endWord();
    const first = this.words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word) && !KEYWORDS.has(word));
    if (first >= 0) this.commands.push({ words: this.words.slice(first), line: this.began });
    this.words = [];
  }
}
