import { startMockServer } from '../../index.js';
import { parseCount, parseRate } from '../options/quantity.js';
import { resolveServing } from '../serving/resolve-serving.js';
import { runServer } from '../serving/run-server.js';
import type { Session } from '../session.js';
import type { MockCommandOptions } from './mock.js';

/** Serves generated events until the user ends it, or until `--count` is reached. */
export async function runMock(session: Session, options: MockCommandOptions): Promise<void> {
  const serving = resolveServing(session, options);
  const server = await startMockServer({
    ...serving,
    rate: parseRate(options.rate, '--rate'),
    ...(options.count === undefined ? {} : { count: parseCount(options.count, '--count') }),
  });
  await runServer(session, server, serving);
}
