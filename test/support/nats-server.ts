import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';

const program = ['nats-server', '/usr/sbin/nats-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
/** The packages of NATS; `undefined` where they are missing. */
export const packages = await Promise.all([
  import('@nats-io/transport-node'),
  import('@nats-io/jetstream'),
]).catch(() => undefined);

/** The reason why no NATS server can be started here; `undefined` when one can. */
export const withoutNats: string | undefined =
  program === undefined
    ? 'not installed: nats-server (apt-get install nats-server)'
    : packages === undefined
      ? 'not installed: the optional packages of NATS'
      : undefined;

/** A message of a stream. */
export interface StoredMessage {
  subject: string;
  text: string;
  id: string;
}

/** A NATS server with JetStream, on a free port. Use it with `await using`. */
export class NatsServer implements AsyncDisposable {
  port = -1;
  readonly folder = mkdtempSync(join(tmpdir(), 'opmas-ws-nats-'));
  #configuration: string;
  #process: ChildProcess | undefined;
  #streams = 0;

  private constructor(configuration: string) {
    this.#configuration = configuration;
  }

  /** @param configuration Further lines of its configuration. */
  static async start(configuration = ''): Promise<NatsServer> {
    const it = new NatsServer(configuration);
    await it.restart();
    return it;
  }

  /** Starts it, at the same port and with the same streams as before. */
  async restart(configuration = this.#configuration): Promise<void> {
    const path = this.#write(configuration);
    const child = spawn(program!, ['-a', '127.0.0.1', '-p', String(this.port), '-c', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let log = '';
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      log += chunk;
      const [, port] = /Listening for client connections on .*:(\d+)/.exec(log) ?? [];
      if (port !== undefined) this.port = Number(port);
      if (/Server is ready/.test(log)) break;
    }
    child.stderr.resume();
    if (!/Server is ready/.test(log)) throw new Error(`nats-server did not start: ${log}`);
  }

  /** Lets the running server take another configuration. */
  async reload(configuration: string): Promise<void> {
    this.#write(configuration);
    const child = this.#process!;
    child.kill('SIGHUP');
    for await (const chunk of child.stderr!.iterator({ destroyOnReturn: false })) {
      if (/Reloaded server configuration/.test(String(chunk))) break;
      if (/Failed to reload/.test(String(chunk))) throw new Error(String(chunk));
    }
    child.stderr!.resume();
  }

  #write(configuration: string): string {
    this.#configuration = configuration;
    const path = join(this.folder, 'server.conf');
    writeFileSync(path, `jetstream { store_dir: "${this.folder}/store" }\n${configuration}\n`);
    return path;
  }

  /** Ends it as a power failure would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  urlOf(stream: string): string {
    return `nats://${this.host}/${stream}`;
  }

  /** Makes a stream and returns its name. */
  async addStream(config: Partial<StreamConfig> = {}, prefix = `p${++this.#streams}`): Promise<string> {
    const name = config.name ?? `S${prefix}`;
    await this.manage((jsm) => jsm.streams.add({ subjects: [`${prefix}.>`], ...config, name }));
    return name;
  }

  /** Does something with a connection of its own. */
  async connected<T>(work: (nc: NatsConnection) => Promise<T>, options: ConnectionOptions = {}): Promise<T> {
    const nc = await packages![0].connect({ servers: this.host, ...options });
    try {
      return await work(nc);
    } finally {
      await nc.close();
    }
  }

  manage<T>(work: (jsm: JetStreamManager) => Promise<T>, options: ConnectionOptions = {}): Promise<T> {
    return this.connected(async (nc) => work(await packages![1].jetstreamManager(nc)), options);
  }

  /** Waits until a stream has so many messages. */
  async has(stream: string, count: number, options: ConnectionOptions = {}): Promise<void> {
    await this.manage(async (jsm) => {
      while ((await jsm.streams.info(stream)).state.messages < count) await delay(10);
    }, options);
  }

  /** Reads all messages of a stream. */
  async messagesOf(stream: string, options: ConnectionOptions = {}): Promise<StoredMessage[]> {
    return this.connected(async (nc) => {
      const consumer = await packages![1].jetstream(nc).consumers.get(stream);
      const found: StoredMessage[] = [];
      if ((await consumer.info()).num_pending === 0) return found;
      for await (const message of await consumer.consume()) {
        const id = message.headers?.get('Nats-Msg-Id') ?? '';
        found.push({ subject: message.subject, text: message.string(), id });
        if (message.info.pending === 0) break;
      }
      return found;
    }, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
