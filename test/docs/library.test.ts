import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as library from '../../src/index.js';
import { codeBlocks, codeIn, project, tablesOf, textOf } from '../support/documents.js';
import { type InstalledPackage, installPackage } from '../support/installed-package.js';
import { eventLine, numberedLines, stamp } from '../support/recordings.js';

const page = textOf('docs/library.md');
const scripts = [...codeBlocks(page, 'js'), ...codeBlocks(textOf('README.md'), 'js')];
const modules = codeBlocks(page, 'ts');

/** Names that `index.ts` exports as types only. */
function exportedTypes(): string[] {
  const statements = textOf('src/index.ts').matchAll(/^export (type )?\{([^}]*)\}/gm);
  return [...statements].flatMap(([, isType, list = '']) =>
    list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && (isType !== undefined || name.startsWith('type ')))
      .map((name) => name.replace('type ', '').replace(/^.* as /, '')),
  );
}

function importsOf(code: string): string[] {
  return [...code.matchAll(/import \{([^}]*)\} from 'opmas-ws'/g)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.replace('type ', '').trim()),
  );
}

/** Runs a script in the folder of an installed package, with a server to connect to. */
function run(
  script: string,
  cwd: string,
  { url, token }: library.MockServer,
): Promise<{ code: unknown; stderr: string }> {
  const env = { PATH: process.env.PATH, OPMAS_URL: url, OPMAS_TOKEN: token };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script], { cwd, env, timeout: 20_000 }, (error, _, stderr) =>
      resolve({ code: error?.code ?? child.exitCode, stderr }),
    );
  });
}

describe('the page about the library', () => {
  let installed: InstalledPackage;

  beforeAll(() => {
    installed = installPackage();
    const lines = [
      `{"received_at":"${stamp(0)}","connection":{"state":"open"},"endpoint":"devices"}`,
      ...numberedLines(1, 20, 10),
      eventLine(300, '{"type":"device.error","data":{}}'),
    ];
    writeFileSync(join(installed.folder, 'capture.ndjson'), lines.map((line) => `${line}\n`).join(''));
  });
  afterAll(() => installed.remove());

  it('has an example of each value that the library exports', () => {
    const shown = new Set([...scripts, ...modules].flatMap(importsOf));
    expect(Object.keys(library).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('lists each type that the library exports, and no other', () => {
    const listed = tablesOf(page)
      .find(({ header }) => header[1] === 'types')!
      .rows.flatMap(([, types = '']) => codeIn(types));
    expect(listed.sort()).toEqual(exportedTypes().sort());
  });

  it('has examples that the compiler accepts', () => {
    const names = [...scripts, ...modules].map((code, at) => {
      writeFileSync(join(installed.folder, `example-${at}.mts`), code);
      return `example-${at}.mts`;
    });
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    const inferred = [
      '--noImplicitAny',
      'false',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
    ];
    const roots = ['--typeRoots', join(project, 'node_modules/@types')];
    const compiler = join(project, 'node_modules/.bin/tsc');
    const { stdout } = spawnSync(compiler, [...flags, ...inferred, ...roots, ...names], {
      cwd: installed.folder,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  });

  it('has examples that run', async () => {
    await using server = await library.startMockServer({ port: 0, rate: 20, seed: 1 });
    for (const [at, code] of scripts.entries()) {
      const name = `example-${at}.mjs`;
      writeFileSync(join(installed.folder, name), code);
      const result = await run(name, installed.folder, server);
      expect(result, code).toEqual({ code: 0, stderr: '' });
    }
  }, 120_000);
});
