import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Ended } from '../cli/sandbox.js';
import { installPackage } from './installed-package.js';

/** The reason why there can be no container here; `undefined` when there can. */
export const withoutContainers: string | undefined =
  spawnSync('unshare', ['--mount', '--pid', '--fork', 'chroot', '--userspec=10001:10001', '/', 'true'])
    .status === 0
    ? undefined
    : 'no right to unshare and chroot';

/** The user of the containers: it has no name. */
const USER = 10_001;

/**
 * Makes the root of a container, then runs a command in it: `$1` is the root, `$2` the package, `$3` the folder and `$4`
 * its place, `$5` the file with the token and `$6` its place.
 */
const SETUP = `set -eu
R=$1 P=$2 V=$3 AT=$4 S=$5 SECRET=$6; shift 6
mount -t tmpfs tmpfs "$R"
cd "$R"
mkdir -p usr proc dev etc tmp opt/opmas-ws "./$AT" "./$(dirname "$SECRET")"
mount --bind /usr usr
for folder in bin lib lib64 sbin; do ln -s usr/$folder $folder; done
mount -t proc proc proc
for device in null zero urandom; do : > dev/$device; mount --bind /dev/$device dev/$device; done
mount --bind "$P" opt/opmas-ws
mount --bind "$V" "./$AT"
: > "./$SECRET"; mount --bind "$S" "./$SECRET"; mount -o remount,bind,ro "./$SECRET"
mount -o remount,ro "$R"
exec chroot --userspec=${USER}:${USER} "$R" /bin/sh -c 'cd "$0"; exec "$@"' "$AT" /usr/bin/env -i "$@"`;

/** The place of files in a container, the environment and the words of a command in it. */
export interface ContainerCommand {
  words: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The folder that can be written to, and in which the command runs. */
  folder: string;
  /** The file with the token. */
  secret: string;
}

/**
 * Containers without an engine: a read-only root of its own, process 1, and a user without a name or a home folder. The
 * published package is installed in `/opt/opmas-ws`, with a copy of Node.js.
 */
export class ContainerRoot implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'opmas-ws-container-'));
  #started = 0;

  constructor() {
    const installed = installPackage();
    const place = join(this.#folder, 'package');
    const modules = join(place, 'lib/node_modules');
    mkdirSync(join(place, 'bin'), { recursive: true });
    cpSync(join(installed.folder, 'node_modules'), modules, { recursive: true, dereference: true });
    installed.remove();
    symlinkSync('../lib/node_modules/opmas-ws/bin/opmas-ws.js', join(place, 'bin/opmas-ws'));
    copyFileSync(process.execPath, join(place, 'bin/node'));
    mkdirSync(join(this.#folder, 'root'));
    chmodSync(this.#folder, 0o755);
  }

  /** Makes a volume. @returns Its path. */
  volume(name: string): string {
    const path = join(this.#folder, name);
    mkdirSync(path);
    chownSync(path, USER, USER);
    return path;
  }

  /** Starts a command as process 1. @param path Folders in which it is looked for; `/opt/opmas-ws/bin` as in an image. */
  start(
    volume: string,
    token: string,
    { words, environment, folder, secret }: ContainerCommand,
    path = '/opt/opmas-ws/bin:/usr/bin:/bin',
  ): RunningContainer {
    const secretFile = join(this.#folder, `secret-${this.#started++}`);
    writeFileSync(secretFile, token, { mode: 0o444 });
    const variables = Object.entries({ PATH: path, ...environment }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const places = [
      join(this.#folder, 'root'),
      join(this.#folder, 'package'),
      volume,
      folder,
      secretFile,
      secret,
    ];
    return new RunningContainer(
      spawn(
        'unshare',
        [
          '--mount',
          '--pid',
          '--fork',
          '--kill-child',
          'sh',
          '-c',
          SETUP,
          'sh',
          ...places,
          ...variables,
          ...words,
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      ),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A command in a container. */
export class RunningContainer {
  readonly #unshare: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<Ended>;

  constructor(unshare: ChildProcessByStdio<null, Readable, Readable>) {
    this.#unshare = unshare;
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      unshare[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    this.ended = new Promise((resolve) => {
      unshare.once('close', (code, signal) => resolve({ code, signal, ...output }));
    });
  }

  /** Sends a signal to process 1 of the container. */
  kill(signal: NodeJS.Signals): void {
    const { stdout } = spawnSync('pgrep', ['-P', String(this.#unshare.pid)], { encoding: 'utf8' });
    process.kill(Number(stdout.trim()), signal);
  }
}
