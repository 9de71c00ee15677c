import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** The package as a user gets it: packed, unpacked into an empty folder, with nothing but its own dependencies. */
export interface InstalledPackage {
  /** A folder whose `node_modules` holds the package; scripts in it can import `opmas-ws`. */
  folder: string;
  /** The command. */
  bin: string;
  /** Paths of the files in the tarball. */
  files: string[];
  remove(): void;
}

/**
 * Packs the project (which must have been built) and installs the tarball in a temporary folder. The dependencies are
 * links to those that are installed here, so that no registry is needed.
 */
export function installPackage(): InstalledPackage {
  packed ??= { ...pack(), dependencies: productionDependencies() };
  const { tarball, files, dependencies } = packed;
  const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-package-'));
  const modules = join(folder, 'node_modules');
  const home = join(modules, 'opmas-ws');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xz', '-C', home, '--strip-components=1'], { input: tarball });
  for (const name of dependencies) {
    if (readdirSync(join(root, 'node_modules')).includes(name.split('/')[0]!)) link(name, modules);
  }
  return {
    folder,
    bin: join(home, 'bin/opmas-ws.js'),
    files,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Made once, because npm takes a second for each part. */
let packed: { tarball: Buffer; files: string[]; dependencies: string[] } | undefined;

function npm(...args: string[]): string {
  return execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function pack(): { tarball: Buffer; files: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-packed-'));
  const words = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename, files }] = JSON.parse(npm(...words)) as [
    { filename: string; files: { path: string }[] },
  ];
  const tarball = readFileSync(join(folder, filename));
  rmSync(folder, { recursive: true });
  return { tarball, files: files.map(({ path }) => path) };
}

function productionDependencies(): string[] {
  const listed = npm('ls', '--omit=dev', '--all', '--parseable');
  const prefix = `${join(root, 'node_modules')}/`;
  return listed
    .split('\n')
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length))
    .filter((name) => name !== 'keytar');
}

function link(name: string, modules: string): void {
  const place = join(modules, name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), place);
}
