import { test as base } from 'vitest';
import { type Ended, type OnTerminal, type Running, type RunOptions, Sandbox } from '../cli/sandbox.js';
import { RawServer } from './raw-server.js';
import { Reading, type ReadOptions } from './reading.js';
import { Relay } from './relay.js';

/** What a test can put up; all of it is taken down when the test ends, however it ends. */
export interface Stage {
  /** A TCP server that does what the test says. */
  serve: typeof RawServer.start;
  /** A relay in front of a server. */
  relay(targetPort: number): Promise<Relay>;
  /** A subscription with short waits; reads `devices` without a token unless told otherwise. */
  read(options: ReadOptions): Reading;
  /** The command line in a home folder of its own; `tail` has a token and short waits. */
  command: CommandLine;
}

export interface CommandLine {
  readonly sandbox: Sandbox;
  start(args: readonly string[], options?: RunOptions): Running;
  /** Starts `tail devices` on a server, unless the arguments say otherwise. */
  tail(server: { url: string }, args?: readonly string[], options?: RunOptions): Running;
  /** The same to its end, without a process of its own: see {@link Sandbox.run}. */
  runTail(server: { url: string }, args?: readonly string[], options?: RunOptions): Promise<Ended>;
  /** The same on a terminal. */
  tailOnTerminal(server: { url: string }, args?: readonly string[], options?: RunOptions): OnTerminal;
}

/** The token of the command lines: nobody may ever see it. */
export const canary = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canary+/signature=';
const quick = [
  ['--retry-delay', '20ms'],
  ['--retry-max', '100ms'],
] as const;

/** `test` of vitest with a {@link Stage}. */
export const test = base.extend<Stage>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  serve: async ({}, use) => {
    const servers: RawServer[] = [];
    await use(async (options) => {
      const server = await RawServer.start(options);
      servers.push(server);
      return server;
    });
    await takeDown(servers);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  relay: async ({}, use) => {
    const relays: Relay[] = [];
    await use(async (targetPort) => {
      const relay = await Relay.start(targetPort);
      relays.push(relay);
      return relay;
    });
    await takeDown(relays);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  read: async ({}, use) => {
    const readings: Reading[] = [];
    await use((options) => {
      const reading = new Reading(options);
      readings.push(reading);
      return reading;
    });
    await takeDown(readings);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  command: async ({}, use) => {
    const sandbox = new Sandbox({ OPMAS_TOKEN: canary });
    const started: { kill(): void; ended: Promise<unknown> }[] = [];
    const argumentsOf = (server: { url: string }, args: readonly string[] = []) => {
      const endpoints = args[0] === undefined || args[0].startsWith('-') ? ['devices'] : [];
      const waits = quick.filter(([option]) => !args.includes(option)).flat();
      return ['tail', '--url', server.url, ...waits, ...endpoints, ...args];
    };
    const start = (args: readonly string[], options?: RunOptions) => {
      const running = sandbox.start(args, options);
      started.push({ kill: () => running.child.kill('SIGKILL'), ended: running.ended });
      return running;
    };
    await use({
      sandbox,
      start,
      tail: (server, args, options) => start(argumentsOf(server, args), options),
      runTail: (server, args, options) => sandbox.run(argumentsOf(server, args), options),
      tailOnTerminal: (server, args, options) => {
        const running = sandbox.onTerminal(argumentsOf(server, args), options);
        let isOver = false;
        void running.ended.then(() => {
          isOver = true;
        });
        started.push({ kill: () => isOver || running.pty.kill('SIGKILL'), ended: running.ended });
        return running;
      },
    });
    await takeDown(
      started.map(({ kill, ended }) => ({ stop: () => Promise.resolve(kill()).then(() => ended) })),
    );
    sandbox[Symbol.dispose]();
  },
});

const TAKE_DOWN_LIMIT_MS = 30_000;

/** vitest sets no limit for this, so what does not stop would hold the whole run. */
async function takeDown(all: readonly { stop(): Promise<unknown> }[]): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const error = new Error('what a test put up does not stop');
    limit = setTimeout(reject, TAKE_DOWN_LIMIT_MS, error);
  });
  await Promise.race([Promise.all(all.map((one) => one.stop())), tooLong]);
  clearTimeout(limit);
}
