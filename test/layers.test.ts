import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Limits for the size of `src`. Lower them when the code shrinks; the aim is 170 files with 20,000 lines. */
const MOST_FILES = 243;
const MOST_LINES = 34_369;
const MOST_LINES_OF_A_FILE = 250;

/** British spellings, and private words that have a standard term. */
const UNWANTED_WORDS =
  /colou?r(?<=colour)|honour|behaviour|\bculprit|last ?words\b|dieWell|onSuddenDeath|gathering|remembrance|programme\b|patient(?:Terminal|Streams)|side ?printer|\blanes?\b|LaneGroup|LaneTable|\bsoil\b|\bforgive/i;

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

interface Import {
  from: string;
  target: string;
  isLate: boolean;
}

interface SourceFile {
  name: string;
  text: string;
}

const importPattern =
  /(\bfrom\s+|\bimport\s+|\bimport\(\s*|\bcreateRequire\([^)]*\)\(\s*|\brequire\(\s*)'([^']+)'/g;

const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(source, name), 'utf8') }));

const imports: Import[] = files.flatMap(({ name, text }) =>
  [...text.matchAll(importPattern)].map(([, how = '', specifier = '']) => ({
    from: name,
    target: specifier.startsWith('.')
      ? relative(source, resolve(source, name, '..', specifier)).replaceAll('\\', '/')
      : specifier,
    isLate: how.startsWith('import('),
  })),
);

function breaches(allowed: (one: Import) => boolean): string[] {
  return imports.filter((one) => !allowed(one)).map(({ from, target }) => `${from} imports ${target}`);
}

const within = (one: Import, layer: string) => one.from.startsWith(`${layer}/`);

/** Finds one import circle, as a list of files; `undefined` if there is none. */
function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file)) return undefined;
    for (const target of edges.get(file) ?? []) {
      const circle = visit(target, [...path, file]);
      if (circle !== undefined) return circle;
    }
    finished.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const circle = visit(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/** Imports between files of `src`, those of types and late imports included. */
function edgesOf(list: readonly Import[]): Map<string, string[]> {
  const edges = new Map<string, string[]>();
  for (const { from, target } of list) {
    edges.set(from, [...(edges.get(from) ?? []), target.replace(/\.js$/, '.ts')]);
  }
  return edges;
}

describe('imports', () => {
  it('are found, required libraries included', () => {
    expect(imports.length).toBeGreaterThan(50);
    const required = imports.filter(({ target }) => target === 'ws' || target === 'commander');
    expect(required.map(({ from }) => from)).toEqual(
      expect.arrayContaining(['io/websocket.ts', 'cli/commander.ts']),
    );
  });

  it('of core are core only, and the libraries of CEL where it is wrapped', () => {
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

  it('of io are never the command line, nor the files that gather the exports', () => {
    expect(
      breaches((one) => !within(one, 'io') || !/^(cli\/|(index|internal)\.js)/.test(one.target)),
    ).toEqual([]);
  });

  it('of the command line reach the library through index.ts and internal.ts', () => {
    expect(breaches((one) => !within(one, 'cli') || !/^(core|io)\//.test(one.target))).toEqual([]);
  });

  it('of the script of the page are its library, and the type of its data', () => {
    const allowed = /^(uplot(\/dist\/uPlot\.min\.css)?|cli\/commands\/inspect\/chart-data\.js)$/;
    expect(breaches((one) => !within(one, 'page') || allowed.test(one.target))).toEqual([]);
  });

  it('of values from internal.ts are needed there: index.ts has none of them, and the command line uses all', () => {
    const valuesOf = (name: string) => {
      const { text } = files.find((file) => file.name === name)!;
      const lists = [...text.matchAll(/export \{([^}]*)\}/g)].map(([, names = '']) => names.split(','));
      return lists.flat().flatMap((each) => /^\s*(\w+)\s*$/.exec(each)?.slice(1) ?? []);
    };
    const inner = valuesOf('internal.ts');
    expect(inner.length).toBeGreaterThan(5);
    expect(inner.filter((name) => valuesOf('index.ts').includes(name))).toEqual([]);
    const commandLine = files.filter(({ name }) => name.startsWith('cli/')).map(({ text }) => text);
    expect(inner.filter((name) => !commandLine.some((text) => text.includes(name)))).toEqual([]);
  });

  it.each([
    ['ws', 'io'],
    ['socks', 'io'],
    ['@nats-io/transport-node', 'io'],
    ['@nats-io/jetstream', 'io'],
    ['jose', 'io'],
    ['commander', 'cli'],
    ['chalk', 'cli'],
    ['ora', 'cli'],
    ['keytar', 'cli'],
  ])('of %s are in %s only', (library, layer) => {
    expect(breaches((one) => one.target !== library || within(one, layer))).toEqual([]);
  });

  it('make no circle; only the command table may load a command late', () => {
    expect(
      findCircle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b', 'c', 'b']);
    const isCommand = ({ from, isLate }: Import) => isLate && from === 'cli/command-table.ts';
    expect(findCircle(edgesOf(imports.filter((one) => !isCommand(one))))).toBeUndefined();
  });
});

describe('the source', () => {
  it('of core uses neither the clock nor random numbers', () => {
    const guilty = files.filter(
      ({ name, text }) =>
        name.startsWith('core/') &&
        /Date\.now\(|new Date\(\)|Math\.random\(|performance\.|process\./.test(
          text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
        ),
    );
    expect(guilty.map(({ name }) => name)).toEqual([]);
  });

  it('reads the environment of the process in one place of the command line', () => {
    const readers = files.filter(
      ({ name, text }) => name.startsWith('cli/') && /[^`]process\.env\b/.test(text),
    );
    expect(readers.map(({ name }) => name)).toEqual(['cli/session.ts']);
  });

  it('stays small', () => {
    const lines = files.map(({ name, text }) => ({ name, count: text.split('\n').length - 1 }));
    expect(lines.filter(({ count }) => count > MOST_LINES_OF_A_FILE)).toEqual([]);
    expect(files.length).toBeLessThanOrEqual(MOST_FILES);
    expect(lines.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(MOST_LINES);
  });

  it('of the library names options, which the command line turns into flags in its own messages', () => {
    const flags = files
      .filter(({ name }) => !/^(cli|page)\//.test(name) && name !== 'core/failure/next-command.ts')
      .flatMap(({ name, text }) => text.split('\n').map((line) => `${name}: ${line.trim()}`))
      .filter((line) => !/: (\*|\/)/.test(line))
      .filter((line) => /['`][^'`]*(?<![\w-])--[a-z][^']*['`]/.test(line) && !/flags: \[/.test(line));
    expect(flags.filter((line) => !/sources|example|--allow-origin/.test(line))).toEqual([]);
  });

  it('uses American spelling and standard terms', () => {
    const found = files.flatMap(({ name, text }) =>
      text.split('\n').flatMap((line, index) => {
        const word = UNWANTED_WORDS.exec(line)?.[0];
        return word === undefined ? [] : [`${name}:${index + 1}: ${word}`];
      }),
    );
    expect(found).toEqual([]);
  });
});
