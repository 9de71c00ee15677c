import {
  escapeUnsafe,
  noToken,
  OpmasError,
  StoredToken,
  type TokenProvider,
  tokenFromCommand,
  tokenFromFile,
  tokenFromStream,
  tokenFromText,
} from '../../index.js';
import { type NextCommand, splitCommand } from '../../internal.js';
import { parsePositiveDuration } from '../options/quantity.js';
import type { TokenOptions } from '../options/server-options.js';
import type { Session } from '../session.js';
import { passphrasePrompt } from '../terminal/prompt.js';
import { standardInput } from '../terminal/standard-streams.js';
import type { Messages } from '../terminal/terminal.js';
import type { Context } from './config.js';
import { openCredentialStore } from './credential-store.js';
import { type ChosenServer, chooseRoute, type RoutedServer } from './server.js';

/** The server and the token that a command uses, and how they were chosen. */
export interface Connection extends RoutedServer {
  token: TokenProvider;
  /** Token sources that are set but not used, because another one takes precedence. */
  hidden: string[];
}

interface Source extends Pick<TokenProvider, 'source' | 'hint' | 'next'> {
  open(messages: Messages): TokenProvider;
}

const LOG_IN = { name: 'auth login' } as const;

/** Logs in, and removes the variable that would hide the login. */
function logInWithout(variable: string): NextCommand {
  return { ...LOG_IN, environment: `unset ${variable} &&` };
}

const TO_USE_THE_LOGIN = ' to use the login (`opmas-ws auth login`)';

/**
 * Chooses server and token: flag, then environment, then the context of the configuration, then
 * `ws://localhost:8000`. The sources of a token are, in this order: `--no-token`, `--token-file`, `OPMAS_TOKEN`,
 * `OPMAS_TOKEN_FILE`, the context's token command, the stored login. Nothing is read from them yet, and the store is
 * not touched while another source is set.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong, or options exclude each other.
 */
export async function resolveConnection(
  session: Session,
  options: TokenOptions,
  { sendsNothing = false } = {},
): Promise<Connection> {
  const { globals, environment } = session;
  const { messages } = session.terminal;
  const use = { sendsNothing, ask: passphrasePrompt(session) };
  const server = await chooseRoute(globals, options, environment, use);
  session.usesDefaultServer = server.urlSource === 'default';
  if (options.token === false && options.tokenFile !== undefined) {
    throw new OpmasError('USAGE', '--no-token and --token-file cannot be combined');
  }
  const [used, ...rest] = sources(server, options, environment);
  const hidden = rest.map(({ source }) => source);
  if (used === undefined) {
    const access = { base: server.url, ...server.route };
    return { ...server, token: new StoredToken(access, openCredentialStore(session), messages.warn), hidden };
  }
  const { open, ...about } = used;
  return { ...server, token: Object.assign(open(messages), about), hidden };
}

/** Returns the names of the sources that take precedence over a stored login. */
export function sourcesBeforeStore(
  server: Pick<ChosenServer, 'context'>,
  environment: NodeJS.ProcessEnv,
): string[] {
  return sources(server, {}, environment).map(({ source }) => source);
}

/** Returns all sources that are set, except the store, in order of precedence. */
function sources(
  { context }: Pick<ChosenServer, 'context'>,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
): Source[] {
  const openFile = (path: string, source: string, { warn: onWarning }: Messages) =>
    tokenFromFile(path, { source, onWarning, pipeLimitMs: options.connectTimeout });
  const found: Source[] = [];
  const { OPMAS_TOKEN: text, OPMAS_TOKEN_FILE: path } = environment;
  if (options.token === false) {
    const hint = `omit --no-token${TO_USE_THE_LOGIN}`;
    found.push({ source: '--no-token', hint, next: LOG_IN, open: noToken });
  }
  if (options.tokenFile !== undefined) {
    const file = options.tokenFile;
    const source = `--token-file ${file}`;
    const open = (messages: Messages) =>
      file === '-' ? tokenFromStream(standardInput(), source) : openFile(file, source, messages);
    const where = file === '-' ? 'on stdin' : 'in that file';
    const hint = `give a fresh token ${where}, or omit --token-file${TO_USE_THE_LOGIN}`;
    found.push({ source, hint, next: LOG_IN, open });
  }
  if (text) {
    const hint = `put a fresh token in OPMAS_TOKEN, or unset it${TO_USE_THE_LOGIN}`;
    found.push({
      source: 'OPMAS_TOKEN',
      hint,
      next: logInWithout('OPMAS_TOKEN'),
      open: () => tokenFromText(text, 'OPMAS_TOKEN'),
    });
  }
  if (path) {
    const source = `OPMAS_TOKEN_FILE (${path})`;
    const hint = `put a fresh token in that file, or unset OPMAS_TOKEN_FILE${TO_USE_THE_LOGIN}`;
    const next = logInWithout('OPMAS_TOKEN_FILE');
    found.push({ source, hint, next, open: (messages) => openFile(path, source, messages) });
  }
  if (context?.tokenCommand !== undefined) {
    const words = splitCommand(context.tokenCommand);
    const source = `the token command of context ${context.name}`;
    const shownBy = `opmas-ws context show ${context.name}`;
    const hint = `check that the command prints a fresh token (\`${shownBy}\`)`;
    const timeoutMs = options.tokenCommandTimeout ?? limitOf(context);
    const open = (messages: Messages) => {
      const onStderr = (line: string) => messages.say(escapeUnsafe(line));
      return tokenFromCommand(words, { source, onStderr, shownBy, timeoutMs });
    };
    const next = { shell: ['opmas-ws', 'context', 'show', context.name] };
    found.push({ source, hint, next, open });
  }
  return found;
}

function limitOf({ tokenCommandTimeout: text }: Context): number | undefined {
  return text === undefined ? undefined : parsePositiveDuration(text, 'token_command_timeout');
}
