import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, PAGES, project, textOf } from '../support/documents.js';

describe('pages of the documentation', () => {
  it('are all in the list of pages', () => {
    const files = readdirSync(join(project, 'docs')).filter((name) => name.endsWith('.md'));
    expect(PAGES.filter((page) => page.startsWith('docs/'))).toEqual(
      files.map((name) => `docs/${name}`).sort(),
    );
  });

  it('begin with a README of at most 200 lines', () => {
    expect(textOf('README.md').split('\n').length).toBeLessThanOrEqual(201);
  });

  it.each(PAGES)('%s has links that lead somewhere', (page) => {
    const text = textOf(page).replace(/^```[\s\S]*?^```$/gm, '');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', fragment] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), path));
      expect(existsSync(join(project, file)), `${page} links to ${target}`).toBe(true);
      if (fragment !== undefined)
        expect(anchorsOf(textOf(file)), `${page} links to ${target}`).toContain(fragment);
    }
  });

  it.each(PAGES)('%s has lines that a terminal can show', (page) => {
    const text = textOf(page).replace(/^```[\s\S]*?^```$/gm, '');
    const long = text.split('\n').filter((line) => line.length > 120 && !line.startsWith('|'));
    expect(long).toEqual([]);
  });
});
