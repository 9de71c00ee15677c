import type { Command } from 'commander';
import { ENDPOINTS, parseBaseUrl, startMockServer, tokenFromText } from '../../index.js';
import { parseCount, parseDuration, parseRate } from '../options/quantity.js';
import { runCommand, type Session } from '../session.js';
import { printStream } from '../stream/print-stream.js';
import { version } from '../version.js';

/** Options of `demo`. */
interface DemoOptions {
  duration?: string;
  rate: string;
  seed?: string;
}

const EXAMPLES = `
Examples:
  $ opmas-ws demo                  watch events; Ctrl-C ends it
  $ opmas-ws demo --duration 5s    end after five seconds`;

/** Configures `demo`. */
export function configure(command: Command): void {
  command
    .option('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h')
    .option('--rate <n>', 'events a second on each endpoint', '1')
    .option('--seed <n>', 'repeat the same events')
    .addHelpText('after', EXAMPLES)
    .action((options: DemoOptions) => runCommand(command, (session) => demo(session, options)));
}

/** Runs the mock server and a tail of all four endpoints in this process. */
async function demo(session: Session, { duration, rate, seed }: DemoOptions): Promise<void> {
  const limit = duration === undefined ? {} : { durationMs: parseDuration(duration, '--duration') };
  const server = await startMockServer({
    port: 0,
    rate: parseRate(rate, '--rate'),
    ...(seed === undefined ? {} : { seed: parseCount(seed, '--seed', 0) }),
  });
  try {
    session.terminal.messages.say(`Serving a mock OPMAS API on ${server.url}. Ctrl-C ends it.`);
    const stream = {
      url: parseBaseUrl(server.url),
      endpoints: ENDPOINTS,
      token: tokenFromText(server.token, 'the mock server'),
      signal: session.stop,
      // Without the proxies of the environment: both ends are in this process.
      environment: {},
      recorder: `opmas-ws/${version}`,
      ...limit,
    };
    await printStream(session, stream, { format: 'auto' });
  } finally {
    await server.close();
  }
}
