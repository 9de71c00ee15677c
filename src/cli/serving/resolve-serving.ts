import { OpmasError, type ServingOptions } from '../../index.js';
import { parseCount, parseDuration } from '../options/quantity.js';
import type { Session } from '../session.js';
import { activityText } from './activity-text.js';
import type { ServeCommandOptions } from './serving-options.js';

/**
 * Makes of the options what `startMockServer` and `serveRecording` take.
 *
 * @throws {OpmasError} `USAGE` for what is none.
 */
export function resolveServing(
  session: Session,
  options: ServeCommandOptions,
  environment: NodeJS.ProcessEnv = process.env,
): ServingOptions {
  const { messages } = session.terminal;
  return {
    port: parsePort(options.port),
    ...(options.host === undefined ? {} : { host: options.host }),
    auth: options.auth,
    ...(environment.OPMAS_MOCK_SECRET ? { secret: environment.OPMAS_MOCK_SECRET } : {}),
    refuse: options.refuse,
    ...(options.tokenLife === undefined
      ? {}
      : { tokenLifeMs: parseDuration(options.tokenLife, '--token-life') }),
    allowOrigins: options.allowOrigin ?? [],
    faults: options.fault ?? [],
    ...(options.seed === undefined ? {} : { seed: parseCount(options.seed, '--seed', 0) }),
    onActivity: (activity) => messages.say(activityText(activity, messages.palette)),
  };
}

function parsePort(text: string): number {
  const port = parseCount(text, '--port', 0);
  if (port > 65_535) throw new OpmasError('USAGE', `--port: ${text} is too large: ports end at 65535`);
  return port;
}
