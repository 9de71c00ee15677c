import { escapeUnsafe } from '../../index.js';
import type { Connection, TokenOptions } from '../options/token-options.js';
import type { Session } from '../session.js';
import { chooseServer } from './server.js';
import { chooseToken, type TokenMessages } from './token-source.js';

/**
 * Decides which server and which token: flag, then environment, then the context of the configuration, then
 * `ws://localhost:8000`.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong.
 */
export async function resolveConnection(
  session: Session,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Connection> {
  const server = await chooseServer(session.globals, options, environment);
  const { provider, hidden } = chooseToken(server, options, environment, tokenMessages(session));
  const { url, ca, insecure, warnings } = server;
  return { url, token: provider, ca, insecure, warnings, server, hidden };
}

/** Where the sources of a token say what they have to say. */
export function tokenMessages({ terminal }: Session): TokenMessages {
  return {
    warn: (text) => terminal.messages.warn(escapeUnsafe(text)),
    passOn: (line) => terminal.messages.say(escapeUnsafe(line)),
  };
}
