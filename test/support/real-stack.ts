import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Gateway, gateways, nginxConfiguration } from './real-stack/gateways.js';

const environment =
  process.env.OPMAS_REAL_STACK ?? resolve(import.meta.dirname, '../../node_modules/.cache/real-stack');
const python = join(environment, 'bin/python');
const nginx = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);
const missing = [
  ...(nginx === undefined ? ['nginx (apt-get install nginx)'] : []),
  ...(existsSync(python) ? [] : ['FastAPI and uvicorn (test/support/real-stack/install.sh)']),
];

/** The reason why the stack cannot be started here; `undefined` when it can. */
export const withoutRealStack: string | undefined =
  missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;

/** A version of the API that `real-stack/api.py` serves. */
export type ApiVersion =
  | 'usual'
  | 'accepts first'
  | 'accepts first and waits'
  | 'wants a first message'
  | 'with rights'
  | 'takes no token'
  | 'without me'
  | 'checks the host'
  | 'fails'
  | 'another service'
  | 'without WebSockets';

export type TokenKind = 'good' | 'expired' | 'forged' | 'not a JWT';

const SECRET = 'the key of the real stack, which no output may show';

/** The API's stack: FastAPI on uvicorn, bare and behind nginx. Use it with `await using`. */
export class RealStack implements AsyncDisposable {
  readonly #folder: string;
  readonly #processes: ChildProcess[];
  readonly #apiPorts: Record<string, number>;
  readonly #gatewayPorts: Record<Gateway, number>;

  private constructor(
    folder: string,
    processes: ChildProcess[],
    apiPorts: Record<string, number>,
    gatewayPorts: Record<Gateway, number>,
  ) {
    this.#folder = folder;
    this.#processes = processes;
    this.#apiPorts = apiPorts;
    this.#gatewayPorts = gatewayPorts;
  }

  /** @param mockPort Port of a mock server, for the gateway in front of it. */
  static async start({ mockPort }: { mockPort?: number } = {}): Promise<RealStack> {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-stack-'));
    const api = spawn(python, [resolve(import.meta.dirname, 'real-stack/api.py'), SECRET], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const firstLine = once(createInterface(api.stdout), 'line') as Promise<[string]>;
    const gatewayPorts = await freePorts(Object.keys(gateways) as Gateway[]);
    const apiPorts: Record<string, number> = JSON.parse((await firstLine)[0]);
    const upstreams = mockPort === undefined ? apiPorts : { ...apiPorts, mock: mockPort };
    writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(gatewayPorts, upstreams));
    writeFileSync(join(folder, 'no-users'), '');
    // nginx ends with its stdin, as the API does: neither outlives a test run that is killed.
    const untilStdinEnds = ['-c', '"$@" & cat; kill -9 $!', 'sh'];
    const gateway = spawn(
      'sh',
      [...untilStdinEnds, nginx!, '-p', folder, '-c', 'nginx.conf', '-e', 'stderr'],
      {
        stdio: ['pipe', 'ignore', 'inherit'],
      },
    );
    const ports = [...Object.values(apiPorts), gatewayPorts.plain];
    await Promise.all(ports.map((port) => whenListening(port, [api, gateway])));
    return new RealStack(folder, [api, gateway], apiPorts, gatewayPorts);
  }

  /** Base URL of a version of the API, without a gateway. */
  api(version: ApiVersion): string {
    return `ws://127.0.0.1:${this.#apiPorts[version]}`;
  }

  /** Base URL of a gateway. */
  gateway(name: Gateway): string {
    return `ws://127.0.0.1:${this.#gatewayPorts[name]}`;
  }

  /** A token as the API would give it out, or one that it refuses. */
  token(kind: TokenKind): string {
    if (kind === 'not a JWT') return 'an-opaque-token-of-another-system';
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: 'admin', exp: kind === 'expired' ? now - 3600 : now + 3600 };
    const text = [{ alg: 'HS256', typ: 'JWT' }, claims]
      .map((part) => encoded(JSON.stringify(part)))
      .join('.');
    const secret = kind === 'forged' ? 'the key of another server' : SECRET;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = this.#processes.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.stdin!.end();
      await once(child, 'exit');
    });
    await Promise.all(ends);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** Ports that nothing used a moment ago: all are held before the first is let go. */
async function freePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const servers: Server[] = await Promise.all(
    names.map(async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<Name, number>;
}

async function whenListening(port: number, processes: readonly ChildProcess[]): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    const ended = processes.find(({ exitCode }) => exitCode !== null);
    if (ended !== undefined) throw new Error(`${ended.spawnfile} ended with ${ended.exitCode}`);
    await delay(20);
  }
}
