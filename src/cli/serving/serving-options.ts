import { OpmasError, type ServingOptions } from '../../index.js';
import { FAULT_EXAMPLES } from '../../internal.js';
import { type Command, Option } from '../commander.js';
import { parseCount, parseDuration } from '../options/quantity.js';
import { collect } from '../options/selection.js';
import type { Session } from '../session.js';
import { activityText } from './run-server.js';

/** Options that `replay` and `mock` share. */
export interface ServingCommandOptions {
  port: string;
  host?: string;
  auth: 'jwt' | 'secret' | 'none';
  refuse: 'close' | 'http';
  tokenLife?: string;
  fault?: string[];
  seed?: string;
  allowOrigin?: string[];
}

/** Adds the options of {@link ServingCommandOptions} to a command. */
export function addServingOptions(command: Command): Command {
  return command
    .option('-p, --port <n>', 'port to listen on; 0 is any free port', '8000')
    .option(
      '--host <host>',
      'address to listen on (default: 127.0.0.1 and ::1); any address but loopback causes a warning',
    )
    .addOption(
      new Option(
        '--auth <mode>',
        'accept tokens: any unexpired JWT, HS256 signed with OPMAS_MOCK_SECRET, or anything',
      )
        .choices(['jwt', 'secret', 'none'])
        .default('jwt'),
    )
    .addOption(
      new Option('--refuse <how>', 'reject a bad token with close 4001 after accepting, or with HTTP 403')
        .choices(['close', 'http'])
        .default('close'),
    )
    .option(
      '--token-life <t>',
      'lifetime of all issued tokens (default: 1h; 30 days for the token that it prints)',
    )
    .option('--fault <spec>', `inject a fault, repeatable: ${FAULT_EXAMPLES}`, collect)
    .option('--seed <n>', 'repeat the same faults, and for mock the same events')
    .option(
      '--allow-origin <origin>',
      'allow a browser origin, repeatable; `null` allows local files; this machine is always allowed',
      collect,
    );
}

/**
 * Translates the options for `startMockServer` and `serveRecording`.
 *
 * @throws {OpmasError} `USAGE` for an invalid value.
 */
export function resolveServing(session: Session, options: ServingCommandOptions): ServingOptions {
  const { messages } = session.terminal;
  const { tokenLife } = options;
  const secret = session.environment.OPMAS_MOCK_SECRET;
  return {
    port: parsePort(options.port),
    ...(options.host === undefined ? {} : { host: options.host }),
    auth: options.auth,
    ...(secret ? { secret } : {}),
    refuse: options.refuse,
    ...(tokenLife === undefined ? {} : { tokenLifeMs: parseDuration(tokenLife, '--token-life') }),
    allowOrigins: options.allowOrigin ?? [],
    faults: options.fault ?? [],
    ...(options.seed === undefined ? {} : { seed: parseCount(options.seed, '--seed', 0) }),
    onActivity: (activity) => messages.say(activityText(activity, messages.palette)),
  };
}

function parsePort(text: string): number {
  const port = parseCount(text, '--port', 0);
  if (port > 65_535) throw new OpmasError('USAGE', `--port: ${text} is too large; the highest port is 65535`);
  return port;
}
