import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGES } from './support/documents.js';
import { type InstalledPackage, installPackage } from './support/installed-package.js';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Adds up a module and all modules of the package that it needs at once. */
function bytesOf(path: string, seen = new Set<string>()): number {
  if (seen.has(path)) return 0;
  seen.add(path);
  const text = readFileSync(path, 'utf8');
  const imports = Array.from(text.matchAll(/^const \w+ = require\("(\.[^"]+)"\);$/gm), ([, name]) => name!);
  return imports.reduce((sum, name) => sum + bytesOf(resolve(dirname(path), name), seen), text.length);
}

describe('the packed tarball', () => {
  let installed: InstalledPackage;

  beforeAll(() => {
    installed = installPackage();
  });
  afterAll(() => installed.remove());

  it('holds what a user needs and nothing else', () => {
    const unexpected = installed.files.filter(
      (path) =>
        !/^(bin\/(opmas-ws|start)\.js|bin\/package\.json|dist\/.+\.(c?js|d\.ts)|node_modules\/(keytar|node-addon-api)\/.+|docs\/[^/]+\.(md|json)|[A-Z]+\.md|LICENSE|package\.json)$/.test(
          path,
        ),
    );
    expect(unexpected).toEqual([]);
    // Types that no program can import. (What was compiled for the machine that packs goes with `prepack`.)
    expect(installed.files.filter((path) => /^dist\/cli\/.*\.d\.ts$/.test(path))).toEqual([]);
    // The README links to the other pages.
    for (const path of [...PAGES, 'LICENSE', 'bin/opmas-ws.js', 'dist/index.d.ts']) {
      expect(installed.files).toContain(path);
    }
  });

  it('brings the keychain module along, so that installing it runs no script', () => {
    expect(installed.files.some((path) => /^node_modules\/keytar\/prebuilds\/.+\.node$/.test(path))).toBe(
      true,
    );
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it('brings none of its libraries that are for other machines than their names say, or that it never loads', () => {
    // `prepack` removes them; the tests pack without it.
    const copy = join(installed.folder, 'packing');
    cpSync(join(root, 'node_modules/keytar'), join(copy, 'node_modules/keytar'), { recursive: true });
    const [, removal = ''] = /&& (.*)$/.exec(manifest.scripts.prepack) ?? [];
    execFileSync('sh', ['-c', removal], { cwd: copy });
    const machines: Record<string, number> = { 'linux-arm64': 183, 'linux-ia32': 3, 'linux-x64': 62 };
    const folder = join(copy, 'node_modules/keytar/prebuilds');
    const kept = readdirSync(folder).filter((name) => name.startsWith('linux'));
    expect(kept.sort()).toEqual(Object.keys(machines));
    // The header of an ELF file names the machine.
    const found = kept.map((name) => [
      name,
      readFileSync(join(folder, name, 'keytar.node')).readUInt16LE(18),
    ]);
    expect(Object.fromEntries(found)).toEqual(machines);
  });

  it('runs', async () => {
    const { stdout, stderr } = await run(process.execPath, [installed.bin, '--version']);
    expect(stdout).toBe(`${manifest.version}\n`);
    expect(stderr).toBe('');
  });

  it('loads little of itself to print its version', () => {
    const bytes = bytesOf(join(installed.folder, 'node_modules/opmas-ws/dist/cli/main.cjs'));
    expect(bytes).toBeGreaterThan(1000);
    expect(bytes).toBeLessThan(60_000);
  });

  it('runs the demo', async () => {
    const { stdout } = await run(process.execPath, [installed.bin, 'demo', '--duration', '3s']);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).not.toEqual([]);
  });

  it('can be imported: it prints nothing and loads no library before it is needed', async () => {
    const hook = `export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      if (/^[@a-z]/.test(specifier) && found.url.startsWith('file:')) console.log(specifier);
      return found;
    }`;
    const script = join(installed.folder, 'script.mjs');
    writeFileSync(
      script,
      `import { register } from 'node:module';
       register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
       const library = await import('opmas-ws');
       if (typeof library.subscribe !== 'function') throw new Error('not the library');`,
    );
    // Its successor is not in Node 20.
    const { stdout, stderr } = await run(process.execPath, ['--disable-warning=DEP0205', script]);
    expect(new Set(stdout.trimEnd().split('\n'))).toEqual(new Set(['opmas-ws']));
    expect(stderr).toBe('');
  });

  it("serves a recording to the test of somebody else's client", async () => {
    const script = join(installed.folder, 'client.test.mjs');
    const lines = [0, 1, 2].map((n) =>
      JSON.stringify({ received_at: `2026-11-22T21:50:0${n}.000000Z`, endpoint: 'devices', data: { n } }),
    );
    writeFileSync(join(installed.folder, 'capture.ndjson'), lines.map((line) => `${line}\n`).join(''));
    writeFileSync(
      script,
      `import { once } from 'node:events';
       import { serveRecording } from 'opmas-ws';
       import WebSocket from 'ws';

       const server = await serveRecording('capture.ndjson', { port: 0, speed: 'max' });
       const client = new WebSocket(server.url + '/api/v1/ws/devices?token=' + server.token);
       client.on('message', (data) => console.log(String(data)));
       await server.finished;
       await server.close();
       if (client.readyState !== WebSocket.CLOSED) await once(client, 'close');
       console.log('closed');`,
    );
    const { stdout, stderr } = await run(process.execPath, [script], { cwd: installed.folder });
    expect(stdout).toBe('{"data":{"n":0}}\n{"data":{"n":1}}\n{"data":{"n":2}}\nclosed\n');
    expect(stderr).toBe('');
  });

  it('is typed', () => {
    writeFileSync(
      join(installed.folder, 'typed.mts'),
      `import { isDocumented, type OpmasEvent, parseBaseUrl, type ReplayServer, serveRecording, subscribe, tokenFromText } from 'opmas-ws';
       export const server: Promise<ReplayServer> = serveRecording('capture.ndjson', { port: 0, speed: 'max' });
       export function severity(event: OpmasEvent): string {
         return isDocumented(event) && event.type === 'device.error' ? 'high' : (event.type ?? 'unknown');
       }
       export const stream = subscribe({
         url: parseBaseUrl('ws://localhost:8000'),
         endpoints: ['devices'],
         token: tokenFromText('a-token', 'here'),
       });`,
    );
    const compiler = join(root, 'node_modules/.bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    const roots = ['--typeRoots', join(root, 'node_modules/@types')];
    const { stdout, status } = spawnSync(compiler, [...flags, ...roots, 'typed.mts'], {
      cwd: installed.folder,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});
