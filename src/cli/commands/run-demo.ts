import { ENDPOINTS, parseBaseUrl, startMockServer, tokenFromText } from '../../index.js';
import { parseCount, parseDuration, parseRate } from '../options/quantity.js';
import type { Session } from '../session.js';
import { runTail } from '../stream/print-stream.js';
import { version } from '../version.js';

/** The mock server and a tail of all four endpoints in one process. */
export async function runDemo(
  session: Session,
  options: { duration?: string; rate: string; seed?: string },
): Promise<void> {
  const durationMs =
    options.duration === undefined ? undefined : parseDuration(options.duration, '--duration');
  const rate = parseRate(options.rate, '--rate');
  const seed = options.seed === undefined ? {} : { seed: parseCount(options.seed, '--seed', 0) };
  const server = await startMockServer({ port: 0, rate, ...seed });
  try {
    session.terminal.messages.say(`A mock of the OPMAS API serves on ${server.url}. Ctrl-C ends it.`);
    const stream = {
      url: parseBaseUrl(server.url),
      endpoints: ENDPOINTS,
      token: tokenFromText(server.token, 'the mock server'),
      signal: session.stop,
      // Both ends are in this process; a proxy of the environment would never find the other one.
      environment: {},
      recorder: `opmas-ws/${version}`,
      ...(durationMs === undefined ? {} : { durationMs }),
    };
    await runTail(session, stream, { format: 'auto' });
  } finally {
    await server.close();
  }
}
