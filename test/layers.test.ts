import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

interface Import {
  from: string;
  target: string;
}

const importPattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|\bcreateRequire\([^)]*\)\(\s*)'([^']+)'/g;

function importsOf(folder: string): Import[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files.flatMap((name) => {
    const file = join(folder, name);
    return [...readFileSync(file, 'utf8').matchAll(importPattern)].map(([, specifier = '']) => ({
      from: relative(source, file),
      target: specifier.startsWith('.') ? relative(source, resolve(file, '..', specifier)) : specifier,
    }));
  });
}

const imports = importsOf(source);

function breaches(allowed: (one: Import) => boolean): string[] {
  return imports.filter((one) => !allowed(one)).map(({ from, target }) => `${from} imports ${target}`);
}

const within = (one: Import, layer: string) => one.from.startsWith(`${layer}/`);

describe('who imports whom', () => {
  it('finds imports at all, and what is required', () => {
    expect(imports.length).toBeGreaterThan(50);
    const required = imports.filter(({ target }) => target === 'ws' || target === 'commander');
    expect(required.map(({ from }) => from)).toEqual(
      expect.arrayContaining(['io/websocket.ts', 'cli/commander.ts']),
    );
  });

  it('core imports core only, and the libraries of CEL where it is wrapped', () => {
    expect(
      breaches(
        (one) =>
          !within(one, 'core') ||
          one.target.startsWith('core/') ||
          (/^core\/filter\/expression[a-z-]*\.ts$/.test(one.from) &&
            ['@marcbachmann/cel-js', 're2js'].includes(one.target)),
      ),
    ).toEqual([]);
  });

  it('io imports core and io, never the command line', () => {
    expect(
      breaches((one) => !within(one, 'io') || !/^(cli\/|index\.js|internal\.js)/.test(one.target)),
    ).toEqual([]);
  });

  it('the command line takes the library through its face', () => {
    expect(breaches((one) => !within(one, 'cli') || !/^(core|io)\//.test(one.target))).toEqual([]);
  });

  it.each([
    ['ws', 'io'],
    ['commander', 'cli'],
    ['chalk', 'cli'],
    ['ora', 'cli'],
    ['keytar', 'cli'],
  ])('%s is known to %s only', (library, layer) => {
    expect(breaches((one) => one.target !== library || within(one, layer))).toEqual([]);
  });

  it('core asks neither clock nor chance', () => {
    const files = readdirSync(join(source, 'core'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const guilty = files.filter((name) =>
      /Date\.now\(|new Date\(\)|Math\.random\(|performance\.|process\./.test(
        readFileSync(join(source, 'core', name), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
      ),
    );
    expect(guilty).toEqual([]);
  });
});
