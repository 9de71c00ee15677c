import { escapeUnsafe, type TokenProvider } from '../../index.js';
import type { TokenOptions } from '../options/token-options.js';
import type { Session } from '../session.js';
import { type ChosenServer, chooseServer } from './server.js';
import { chooseToken } from './token-source.js';

/** The server and the token that a command uses. */
export interface Connection {
  /** Base URL of the server. */
  url: URL;
  token: TokenProvider;
  /** CA to trust, as PEM. */
  ca: string | undefined;
  insecure: boolean;
  /** Warnings to print before anything connects; not escaped yet. */
  warnings: string[];
  /** How the server was chosen. */
  server: ChosenServer;
  /** Token sources that are set but not used, because another one takes precedence. */
  hidden: string[];
}

/**
 * Chooses server and token: flag, then environment, then the context of the configuration, then
 * `ws://localhost:8000`.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong.
 */
export async function resolveConnection(session: Session, options: TokenOptions): Promise<Connection> {
  const { globals, environment, terminal } = session;
  const server = await chooseServer(globals, options, environment);
  const { provider, hidden } = chooseToken(server, options, environment, {
    warn: (text) => terminal.messages.warn(escapeUnsafe(text)),
    passOn: (line) => terminal.messages.say(escapeUnsafe(line)),
  });
  const { url, ca, insecure, warnings } = server;
  return { url, token: provider, ca, insecure, warnings, server, hidden };
}
