import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeIn, project, tablesOf, textOf } from '../support/documents.js';

const pages = ['docs/architecture.md', 'CONTRIBUTING.md'] as const;

/** Names in the text that stand for files or folders of the project. */
function pathsIn(markdown: string): string[] {
  return codeIn(markdown.replace(/^```[\s\S]*?^```$/gm, '')).filter((code) =>
    /^(src|test|docs|bin|\.github)\/[^ ]*$|^[\w.-]+\.(mjs|json|md|ts)$/.test(code),
  );
}

/** Rows that name a file and something in it. */
function placesIn(markdown: string): { name: string; file: string }[] {
  return tablesOf(markdown).flatMap(({ header, rows }) => {
    const nameAt = header.findIndex((cell) => cell === 'name' || cell === 'function');
    const fileAt = header.indexOf('file');
    if (nameAt < 0 || fileAt < 0) return [];
    return rows.map((row) => ({ name: codeIn(row[nameAt]!)[0]!, file: codeIn(row[fileAt]!)[0]! }));
  });
}

/** Tells whether a file declares `name`, or the class and the method of `Class.method`. */
function declares(file: string, name: string): boolean {
  const text = textOf(file);
  const [first = '', method] = name.split('.');
  const declaration = new RegExp(
    `^(export )?(async )?(function\\*?|class|interface|type|const) ${first}\\b`,
    'm',
  );
  return (
    declaration.test(text) && (method === undefined || new RegExp(`^  (async )?${method}\\(`, 'm').test(text))
  );
}

describe.each(pages)('%s', (page) => {
  it('names files that exist', () => {
    const paths = pathsIn(textOf(page));
    expect(paths).not.toEqual([]);
    expect(paths.filter((path) => !existsSync(join(project, path)))).toEqual([]);
  });
});

describe('docs/architecture.md', () => {
  const text = textOf('docs/architecture.md');

  it.each(placesIn(text))('finds $name in $file', ({ name, file }) => {
    expect(declares(file, name)).toBe(true);
  });

  it('takes an event through at most seven functions', () => {
    const way = tablesOf(text).find(({ header }) => header[0] === 'step')!.rows;
    expect(way.length).toBeGreaterThan(3);
    expect(way.length).toBeLessThanOrEqual(7);
  });
});
