import { ENDPOINTS, parseBaseUrl, startMockServer, tokenFromText } from '../../index.js';
import { version } from '../../internal.js';
import type { Command } from '../commander.js';
import { parsePositiveDuration, parseRate, parseWholeNumber } from '../options/quantity.js';
import { runCommand, type Session } from '../session.js';
import { printStream } from '../stream/run-stream.js';

/** Options of `demo`. */
interface DemoOptions {
  /** Milliseconds. */
  duration?: number;
  rate: number;
  seed?: number;
}

const EXAMPLES = `
Examples:
  $ opmas-ws demo                  watch events; Ctrl-C ends it
  $ opmas-ws demo --duration 5s    end after five seconds`;

/** Configures `demo`. */
export function configure(command: Command): void {
  command
    .value('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h', parsePositiveDuration)
    .value('--rate <n>', 'events a second on each endpoint', parseRate, '1')
    .value('--seed <n>', 'repeat the same events', parseWholeNumber)
    .addHelpText('after', EXAMPLES)
    .action((options: DemoOptions) => runCommand(command, (session) => demo(session, options)));
}

/** Runs the mock server and a tail of all four endpoints in this process. */
async function demo(session: Session, { duration, rate, seed }: DemoOptions): Promise<void> {
  const server = await startMockServer({ port: 0, rate, seed });
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
      durationMs: duration,
    };
    await printStream(session, stream, { format: 'auto' });
  } finally {
    await server.close();
  }
}
