import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';

/** A fenced block of a page. */
export interface Block {
  /** The language: `sh`, `console`, `js` …; empty where none is named. */
  readonly language: string;
  /** What follows the language: for a file that the reader writes, its name. */
  readonly info: string;
  readonly lines: readonly string[];
  /** Where its first line is in the page, from 1. */
  readonly line: number;
  /** The comment `<!-- … -->` on the line before the block, if there is one. */
  readonly comment: string | undefined;
}

/** Something written on a page, and where. */
export interface Found {
  readonly text: string;
  readonly line: number;
}

/** A page of the documentation, taken apart. */
export class MarkdownPage {
  readonly blocks: readonly Block[];
  private readonly prose: readonly Found[];

  /**
   * @param name below the root of the repository
   * @param text what it says, if it is not there to be read
   */
  constructor(
    readonly name: string,
    readonly text = readFileSync(path.join(ROOT, name), 'utf8'),
  ) {
    const { blocks, prose } = takeApart(text.split('\n'));
    this.blocks = blocks;
    this.prose = prose;
  }

  /** What stands between single back ticks. A span may go on in the next line. */
  get codeSpans(): Found[] {
    const spans: Found[] = [];
    for (const paragraph of paragraphs(this.prose)) {
      for (const match of paragraph.text.matchAll(/(?<!`)`([^`]+)`(?!`)/g)) {
        const before = paragraph.text.slice(0, match.index).split('\n').length - 1;
        spans.push({ text: (match[1] ?? '').replaceAll('\n', ' '), line: paragraph.line + before });
      }
    }
    return spans;
  }

  /** Where links and pictures lead. */
  get links(): Found[] {
    return this.prose.flatMap(({ text, line }) =>
      [...text.matchAll(/\]\(([^()\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g)].map(([, link, attribute]) => ({
        text: link ?? attribute ?? '',
        line,
      })),
    );
  }

  /**
   * The lines of what is below a heading, up to the next of its level or above; without one, of the whole page.
   * @throws Error when the page has no such heading
   */
  partOf(heading: string | undefined): { from: number; to: number } {
    if (heading === undefined) return { from: 0, to: Number.POSITIVE_INFINITY };
    const start = this.prose.find(({ text }) => text.replace(/^#+ /, '') === heading && text.startsWith('#'));
    if (start === undefined) throw new Error(`${this.name} has no heading ${JSON.stringify(heading)}`);
    const level = start.text.indexOf(' ');
    const end = this.prose.find(
      ({ text, line }) => line > start.line && /^#+ /.test(text) && text.indexOf(' ') <= level,
    );
    return { from: start.line, to: end?.line ?? Number.POSITIVE_INFINITY };
  }

  /** What a link may have after `#`: what GitHub makes from headings, and each `<a id="…"></a>`. */
  get anchors(): Set<string> {
    const anchors = new Set<string>();
    for (const { text } of this.prose) {
      const [, heading] = /^#{1,6}\s+(.*)$/.exec(text) ?? [];
      if (heading === undefined) continue;
      const slug = slugOf(heading);
      let anchor = slug;
      for (let again = 1; anchors.has(anchor); again += 1) anchor = `${slug}-${again}`;
      anchors.add(anchor);
    }
    for (const { text } of this.prose) {
      for (const [, id = ''] of text.matchAll(/<a id="([^"]+)"><\/a>/g)) anchors.add(id);
    }
    return anchors;
  }
}

function takeApart(lines: readonly string[]): { blocks: Block[]; prose: Found[] } {
  const blocks: Block[] = [];
  const prose: Found[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const text = lines[index] ?? '';
    const [, indent = '', fence, language = '', info = ''] = /^(\s*)(`{3,})(\S*)\s*(.*)$/.exec(text) ?? [];
    if (fence === undefined) {
      prose.push({ text, line: index + 1 });
      continue;
    }
    const end = lines.findIndex((line, at) => at > index && line.trim() === fence);
    if (end < 0) throw new Error(`line ${index + 1}: a block without an end`);
    blocks.push({
      language,
      info,
      lines: lines.slice(index + 1, end).map((line) => line.slice(Math.min(indent.length, line.search(/\S|$/)))),
      line: index + 2,
      comment: /^\s*<!--\s*(.*?)\s*-->\s*$/.exec(lines[index - 1] ?? '')?.[1],
    });
    index = end;
  }
  return { blocks, prose };
}

function paragraphs(prose: readonly Found[]): Found[] {
  const found: { text: string; line: number }[] = [];
  let open: { text: string; line: number } | undefined;
  for (const { text, line } of prose) {
    if (text.trim() === '' || /^\s*([-|#]|\d+\.)/.test(text)) open = undefined;
    if (text.trim() === '') continue;
    if (open) open.text += `\n${text}`;
    else {
      open = { text, line };
      found.push(open);
    }
  }
  return found;
}

function slugOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}
