import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const libraryFolders = [`/usr/lib/${machine}`, `/lib/${machine}`, '/usr/lib64', '/usr/lib'];

const missing = ['dbus-run-session', 'gnome-keyring-daemon'].filter(
  (program) => spawnSync('which', [program]).status !== 0,
);
if (!libraryFolders.some((folder) => existsSync(join(folder, 'libsecret-1.so.0')))) missing.push('libsecret');

/** Why there can be no keyring here; `undefined` when there can. */
export const withoutKeyring: string | undefined =
  missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;

const hangingService = resolve(import.meta.dirname, 'hanging-secret-service.mjs');
const bareBus = resolve(import.meta.dirname, 'bare-bus.conf');

/** The bus and its daemons say much on stderr; what the command says comes around them. */
function session(preparation: string, options = ''): string[] {
  const inner = `${preparation} "$@" 2>&3`;
  return ['sh', '-c', `dbus-run-session ${options} -- sh -c '${inner}' sh "$@" 3>&2 2>/dev/null`, 'sh'];
}

function unlock(password: string): string {
  return `printf ${password} | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null;`;
}

/** What runs a command in a session bus of its own, whose keyring is in some state; the daemons end with it. */
export const keyrings = {
  /** Open; it keeps what it holds in the home folder. */
  open: session(unlock('pass')),
  /** Locked, if it was open in that home folder before. */
  locked: session(unlock('other')),
  /** The bus starts a service that has no keyring yet, and nobody to ask for a password. */
  empty: session(''),
  /** There is no service. */
  none: session('', `--config-file=${bareBus}`),
  /** It takes every question and never answers. */
  hanging: session(
    `node ${hangingService} > owned & until [ -s owned ]; do sleep 0.05; done;`,
    `--config-file=${bareBus}`,
  ),
};
