import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
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
  const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-package-'));
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as [{ filename: string; files: { path: string }[] }];
  const modules = join(folder, 'node_modules');
  const home = join(modules, 'opmas-ws');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, packed.filename), '-C', home, '--strip-components=1']);
  for (const name of productionDependencies()) {
    if (readdirSync(join(root, 'node_modules')).includes(name.split('/')[0]!)) link(name, modules);
  }
  return {
    folder,
    bin: join(home, 'bin/opmas-ws.js'),
    files: packed.files.map(({ path }) => path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function productionDependencies(): string[] {
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
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
