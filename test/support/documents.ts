import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const project = resolve(import.meta.dirname, '../..');

/** The pages of the documentation, as paths in the project. */
export const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'docs/architecture.md',
  'docs/connections.md',
  'docs/containers.md',
  'docs/filters.md',
  'docs/guide.md',
  'docs/inspect.md',
  'docs/library.md',
  'docs/performance.md',
  'docs/publish.md',
  'docs/real-server.md',
  'docs/record.md',
  'docs/recording-format.md',
  'docs/replay.md',
  'docs/scale.md',
  'docs/scripts.md',
  'docs/tail.md',
  'docs/tokens.md',
  'docs/top.md',
] as const;

/** Text of a page or of any other file of the project. */
export function textOf(path: string): string {
  return readFileSync(join(project, path), 'utf8');
}

/** Contents of the fenced code blocks of one language. */
export function codeBlocks(markdown: string, language: string): string[] {
  const fences = markdown.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm);
  return [...fences].filter(([, name]) => name === language).map(([, , code = '']) => code);
}

/** A table of a page. */
export interface DocumentTable {
  /** The nearest text before the table, on one line: it says what the table is about. */
  caption: string;
  header: string[];
  rows: string[][];
}

/** All tables of a page, cells trimmed. */
export function tablesOf(markdown: string): DocumentTable[] {
  const blocks = markdown.split(/\n{2,}/);
  return blocks.flatMap((block, at) => {
    const [header, , ...rows] = block.split('\n').filter((line) => line.startsWith('|'));
    if (header === undefined) return [];
    const caption = (blocks[at - 1] ?? '').replaceAll('\n', ' ');
    return [{ caption, header: cellsOf(header), rows: rows.map(cellsOf) }];
  });
}

function cellsOf(row: string): string[] {
  const cells = row.replaceAll('\\|', '\u0000').split('|').slice(1, -1);
  return cells.map((cell) => cell.replaceAll('\u0000', '|').trim());
}

/** What stands between backticks in a text. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** Fragments that GitHub gives to the headings of a page. */
export function anchorsOf(markdown: string): string[] {
  const text = markdown.replace(/^```[\s\S]*?^```$/gm, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
