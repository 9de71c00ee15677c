import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Gateway, gateways, nginxConfiguration, OPERATOR } from './real-stack/gateways.js';

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
  readonly #process: ChildProcess;
  readonly #apiPorts: Record<string, number>;
  readonly #gatewayPorts: Record<Gateway, number>;

  private constructor(
    folder: string,
    process: ChildProcess,
    apiPorts: Record<string, number>,
    gatewayPorts: Record<Gateway, number>,
  ) {
    this.#folder = folder;
    this.#process = process;
    this.#apiPorts = apiPorts;
    this.#gatewayPorts = gatewayPorts;
  }

  /** @param mockPort Port of a mock server, for the gateway in front of it. */
  static async start({ mockPort }: { mockPort?: number } = {}): Promise<RealStack> {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-stack-'));
    const names = Object.keys(gateways) as Gateway[];
    const program = resolve(import.meta.dirname, 'real-stack/api.py');
    const api = spawn(python, [program, SECRET, String(names.length)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(api.stdout), 'line')) as [string];
    const ports = JSON.parse(line) as { versions: Record<string, number>; gateways: number[] };
    const gatewayPorts = Object.fromEntries(names.map((name, index) => [name, ports.gateways[index]]));
    const stack = new RealStack(folder, api, ports.versions, gatewayPorts as Record<Gateway, number>);
    const upstreams = mockPort === undefined ? ports.versions : { ...ports.versions, mock: mockPort };
    writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(stack.#gatewayPorts, upstreams));
    writeFileSync(join(folder, 'no-users'), '');
    writeFileSync(join(folder, 'users'), OPERATOR.replace(':', ':{PLAIN}'));
    api.stdin.write(`${JSON.stringify([nginx, '-p', folder, '-c', 'nginx.conf', '-e', 'stderr'])}\n`);
    await stack.#whenReady();
    return stack;
  }

  /** Base URL of a version of the API, without a gateway. */
  api(version: ApiVersion): string {
    return `ws://127.0.0.1:${this.#apiPorts[version]}`;
  }

  /** Base URL of a gateway. */
  gateway(name: Gateway): string {
    return `ws://127.0.0.1:${this.#gatewayPorts[name]}`;
  }

  /** The requests that gateways have logged, each with its query. */
  accessLog(): string {
    return readFileSync(join(this.#folder, 'access.log'), 'utf8');
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
    if (this.#process.exitCode === null) {
      this.#process.stdin!.end();
      await once(this.#process, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Resolves when a request goes the whole way. */
  async #whenReady(): Promise<void> {
    for (;;) {
      const answer = await fetch(`${this.gateway('plain').replace('ws', 'http')}/health`).catch(
        () => undefined,
      );
      if (answer?.ok) return;
      if (this.#process.exitCode !== null) throw new Error(`the stack ended with ${this.#process.exitCode}`);
      await delay(20);
    }
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url');
}
