import { OpmasError, type ServingOptions } from '../../index.js';
import { FAULT_EXAMPLES } from '../../internal.js';
import type { Command } from '../commander.js';
import { parseDuration, parseWholeNumber } from '../options/quantity.js';
import { collect } from '../options/selection.js';
import type { Session } from '../session.js';
import { activityText } from './run-server.js';

/** Options that `replay` and `mock` share. */
export interface ServingCommandOptions {
  port: number;
  host?: string;
  auth: 'jwt' | 'secret' | 'none';
  refuse: 'close' | 'http';
  /** Milliseconds. */
  tokenLife?: number;
  fault?: string[];
  seed?: number;
  allowOrigin?: string[];
}

/** Adds the options of {@link ServingCommandOptions} to a command. */
export function addServingOptions(command: Command): Command {
  return command
    .value('-p, --port <n>', 'port to listen on; 0 is any free port', parsePort, '8000')
    .option(
      '--host <host>',
      'address to listen on (default: 127.0.0.1 and ::1); any address but loopback causes a warning',
    )
    .choice(
      '--auth <mode>',
      'accept tokens: any unexpired JWT, HS256 signed with OPMAS_MOCK_SECRET, or anything',
      ['jwt', 'secret', 'none'],
    )
    .choice('--refuse <how>', 'reject a bad token with close 4001 after accepting, or with HTTP 403', [
      'close',
      'http',
    ])
    .value(
      '--token-life <t>',
      'lifetime of all issued tokens (default: 1h; 30 days for the token that it prints)',
      parseDuration,
    )
    .option('--fault <spec>', `inject a fault, repeatable: ${FAULT_EXAMPLES}`, collect)
    .value('--seed <n>', 'repeat the same faults, and for mock the same events', parseWholeNumber)
    .option(
      '--allow-origin <origin>',
      'allow a browser origin, repeatable; `null` allows local files; this machine is always allowed',
      collect,
    );
}

/** Translates the options for `startMockServer` and `serveRecording`. */
export function resolveServing(session: Session, options: ServingCommandOptions): ServingOptions {
  const { messages } = session.terminal;
  return {
    port: options.port,
    host: options.host,
    auth: options.auth,
    secret: session.environment.OPMAS_MOCK_SECRET || undefined,
    refuse: options.refuse,
    tokenLifeMs: options.tokenLife,
    allowOrigins: options.allowOrigin,
    faults: options.fault,
    seed: options.seed,
    onActivity: (activity) => messages.say(activityText(activity, messages.palette)),
  };
}

function parsePort(text: string, name: string): number {
  const port = parseWholeNumber(text, name);
  if (port > 65_535)
    throw new OpmasError('USAGE', `${name}: ${text} is too large; the highest port is 65535`);
  return port;
}
