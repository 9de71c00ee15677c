import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { close, listen } from './web-server.js';

const nginx = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);

/** The reason why nginx cannot be started here; `undefined` when it can. */
export const withoutNginx: string | undefined =
  nginx === undefined ? 'not installed: nginx (apt-get install nginx)' : undefined;

/** An nginx with one server block. Use it with `await using`. */
export class Nginx implements AsyncDisposable {
  /** Files that the block names stand here. */
  readonly folder = mkdtempSync(join(tmpdir(), 'opmas-ws-nginx-'));
  #process: ChildProcess | undefined;
  /** Listens on a free port for nginx, which cannot choose one. */
  readonly #front: Server;
  port = 0;

  private constructor() {
    this.#front = createServer((socket) => {
      const inner = connect(join(this.folder, 'socket'));
      socket.pipe(inner).pipe(socket);
      for (const each of [socket, inner]) each.on('error', () => undefined);
      socket.on('close', () => inner.destroy());
      inner.on('close', () => socket.destroy());
    });
  }

  /** @param block The content of the server block. @param options `tls`: it speaks TLS. */
  static async start(
    block: string,
    { files = {}, tls = false }: { files?: Record<string, string>; tls?: boolean } = {},
  ): Promise<Nginx> {
    const it = new Nginx();
    for (const [name, content] of Object.entries(files)) writeFileSync(join(it.folder, name), content);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    writeFileSync(
      join(it.folder, 'nginx.conf'),
      `daemon off; master_process off; pid nginx.pid; error_log stderr crit; events { }
       http { access_log off; ${temporary.map((name) => `${name}_temp_path ${name};`).join(' ')}
         server { listen unix:${it.folder}/socket${tls ? ' ssl' : ''}; ${block} } }`,
    );
    it.#process = spawn(nginx!, ['-p', it.folder, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: 'inherit' });
    it.port = await listen(it.#front);
    while (!(await it.#answers())) {
      if (it.#process.exitCode !== null) throw new Error(`nginx ended with ${it.#process.exitCode}`);
      await delay(10);
    }
    return it;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#front);
    if (this.#process?.exitCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #answers(): Promise<boolean> {
    const socket = connect(join(this.folder, 'socket'));
    return new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    }).finally(() => socket.destroy());
  }
}
