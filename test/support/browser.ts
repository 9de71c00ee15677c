import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';

/** The command of an installed Chromium; `undefined` when there is none. */
export const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

interface Answer {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

interface Target {
  type: string;
  webSocketDebuggerUrl: string;
}

/** A page in a headless Chromium, driven by its DevTools protocol. */
export class BrowserPage implements AsyncDisposable {
  /** Addresses that the page asked for. */
  readonly requests: string[] = [];
  /** What it complained of: errors, violations of its policy. */
  readonly complaints: string[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #onLoad: () => void = () => undefined;
  #lastId = 0;

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(data.toString()) as Answer));
  }

  static async open(width = 1240, height = 900): Promise<BrowserPage> {
    const profile = mkdtempSync(join(tmpdir(), 'opmas-ws-page-'));
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0'];
    const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update'];
    const more = [`--user-data-dir=${profile}`, `--window-size=${width},${height}`, 'about:blank'];
    // A group of its own: what its processes write must not come back into the folder that is removed at the end.
    const child = spawn(chromium!, [...options, ...quiet, ...more], { stdio: 'ignore', detached: true });
    const portFile = join(profile, 'DevToolsActivePort');
    while (!existsSync(portFile) || !readFileSync(portFile, 'utf8').includes('\n')) {
      if (child.exitCode !== null) throw new Error(`Chromium ended with ${child.exitCode}`);
      await delay(20);
    }
    const port = readFileSync(portFile, 'utf8').split('\n')[0];
    let target: Target | undefined;
    while (target === undefined) {
      const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as Target[];
      target = targets.find(({ type }) => type === 'page');
      if (target === undefined) await delay(20);
    }
    const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
    await once(socket, 'open');
    const page = new BrowserPage(child, profile, socket);
    for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await page.send(`${domain}.enable`);
    return page;
  }

  /** One command of the protocol. */
  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result ?? {}) : reject(new Error(`${method}: ${error.message}`)),
      );
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async go(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#onLoad = resolve;
    });
    await this.send('Page.navigate', { url });
    await loaded;
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    return (result as { value: T }).value;
  }

  /** Moves the pointer there, in CSS pixels. */
  async point(x: number, y: number): Promise<void> {
    await this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }

  #receive(answer: Answer): void {
    if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    const params = answer.params as Record<string, Record<string, unknown>> | undefined;
    if (answer.method === 'Page.loadEventFired') this.#onLoad();
    if (answer.method === 'Network.requestWillBeSent') this.requests.push(String(params?.request?.url));
    if (answer.method === 'Log.entryAdded') this.complaints.push(String(params?.entry?.text));
    if (answer.method === 'Runtime.exceptionThrown') {
      this.complaints.push(JSON.stringify(params?.exceptionDetails));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      process.kill(-this.#process.pid!, 'SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
