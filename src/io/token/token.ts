import { OpmasError } from '../../core/errors.js';
import type { TokenSource } from '../../core/failure/rule.js';
import { parseObject } from '../../core/json/json-tokens.js';
import { checkOptions, each } from '../../core/options.js';
import { withoutQuotes } from '../../core/text.js';
import { shared } from '../clock.js';
import { readUpTo } from '../http/http-request.js';
import { readSecretFile } from './secret-file.js';

/** The source of a connection's token. Asked afresh for every attempt. */
export interface TokenProvider extends TokenSource {
  /**
   * The token for the next attempt; `undefined` = connect without one, on purpose.
   *
   * @param stopping Aborts when the token is no longer wanted: a command that gets one is ended.
   * @throws {OpmasError} `AUTH` when there is none.
   */
  token(stopping?: AbortSignal): Promise<string | undefined>;
  /**
   * Gets a new token; called once after a refusal. True: {@link token} may now give a better one; false: it cannot.
   *
   * @param refused The token that was rejected; by default the one given last. When several connections share a
   * provider, this keeps them from renewing twice.
   * @param stopping As for {@link token}.
   * @throws {OpmasError} `NETWORK` when the renewal got no answer and may be tried again later.
   */
  renew?(refused?: string, stopping?: AbortSignal): Promise<boolean>;
  /** How far this machine's clock was ahead of the server's when the token was given, milliseconds, if that is known. */
  readonly clockAheadMs?: number | undefined;
  /** Told of each connection that opens, with how far this machine's clock is ahead, if the answer says that. Never throws. */
  onOpen?(clockAheadMs: number | undefined): void;
  /** Renews the token before it ends, until the signal aborts. Open connections are not touched. Never throws. */
  keepFresh?(signal: AbortSignal): Promise<void>;
  /** {@link keepFresh} gets a new token before the last one given ends, so its end is not worth a word. */
  readonly renewsItself?: boolean;
  /** Each call of {@link token} gets a new token (a command), so the expiry of an earlier one says nothing. */
  readonly isNewEachTime?: boolean;
}

/** The longest accepted token, in bytes. */
export const MAX_TOKEN_BYTES = 64 * 1024;

/** Makes a source for a connection without a token, on purpose. */
export function noToken(): TokenProvider {
  return {
    source: 'no token',
    hint: 'connect with a token',
    token: async () => undefined,
  };
}

/**
 * Makes a source of a token that is known already, from an environment variable for example.
 *
 * @param source Its origin, for messages. @throws {OpmasError} `AUTH`, at once, when it cannot be a token.
 */
export function tokenFromText(text: string, source: string): TokenProvider {
  const token = cleanToken(text, source);
  return { source, token: async () => token };
}

/** The options of {@link tokenFromFile}. */
export interface TokenFileOptions {
  /** The name of the file in messages. Default: its path. */
  source?: string | undefined;
  /** Called once when other users may read the file, with the fix; and when a named pipe keeps it waiting. */
  onWarning?: ((text: string) => void) | undefined;
  /** The time that the writer of a named pipe may take. Default 10 s. */
  pipeLimitMs?: number | undefined;
}

/** Takes the token from a file, which is read again for every attempt and after every refusal. */
export function tokenFromFile(path: string, options: TokenFileOptions = {}): TokenProvider {
  checkOptions('tokenFromFile', options, each(true, 'source', 'onWarning', 'pipeLimitMs'));
  const source = options.source ?? path;
  let last: string | undefined;
  let onWarning = options.onWarning;
  const read = async () => {
    const { bytes, warning, once } = await readSecretFile(path, source, MAX_TOKEN_BYTES, {
      pipeLimitMs: options.pipeLimitMs,
      onWait: () => options.onWarning?.(`waiting for a writer on the pipe of ${source}`),
    });
    if (warning !== undefined) onWarning?.(warning);
    onWarning = undefined;
    return { token: cleanToken(bytes, source), once };
  };
  /** The content of a pipe, which can be read only once. */
  let kept: string | undefined;
  // Attempts that begin together share one read, or a pipe would give its content to only one of them.
  const readToken = shared(async () => {
    const { token, once } = await read();
    if (once) kept = token;
    last = token;
    return token;
  });
  return {
    source,
    token: async () => kept ?? readToken(),
    renew: async (refused = last) => kept === undefined && (await read()).token !== refused,
  };
}

/** Takes the token from a stream (stdin): read once, when it is first needed, and kept for later attempts. */
export function tokenFromStream(stream: AsyncIterable<Buffer | string>, source: string): TokenProvider {
  let reading: Promise<string> | undefined;
  return {
    source,
    token() {
      reading ??= readUpTo(stream, MAX_TOKEN_BYTES).then((content) => cleanToken(content, source));
      return reading;
    },
  };
}

/** The text before a token in a header, a shell script or an environment file. */
const PREFIX = /^(?:(?:export\s+)?OPMAS_TOKEN\s*=|Authorization:|Bearer(?=\s|$))\s*/i;
/** Members of JSON that hold the token: the answer to a login, and the first line of `opmas-ws mock`. */
const TOKEN_MEMBERS = ['access_token', 'token'];

/**
 * Takes a token out of what stands around it: byte order mark, blanks, line ends, quotes, `Bearer `, `OPMAS_TOKEN=`, or
 * a JSON object with a member `access_token` or `token`. All sources of tokens use this. The token itself is for the
 * server to judge; it need not be a JWT.
 *
 * @param source The name in the error, which never shows the content.
 * @throws {OpmasError} `AUTH` when nothing is left, or it has blanks, control or non-ASCII characters inside, or is
 * over {@link MAX_TOKEN_BYTES}.
 */
export function cleanToken(content: Buffer | string, source: string): string {
  const refuse = (what: string, hint?: string) => new OpmasError('AUTH', `${source} ${what}`, { hint });
  // `process.env.X` of a program without types.
  if (content === undefined) throw refuse('holds no token: it is not set');
  const bytes = Buffer.from(content);
  if (bytes.length > MAX_TOKEN_BYTES) throw refuse('is too long to be a token (over 64 KiB)');
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw refuse('is UTF-16 text', 'Save it as UTF-8 or plain ASCII.');
  }
  const text = unwrapped(bytes.toString('utf8'));
  const token = /^[{[]/.test(text) ? tokenIn(parseObject(text)) : text;
  if (token === undefined) {
    throw refuse('holds JSON without a token', 'Its member access_token, or token, must be the token.');
  }
  if (token === '') throw refuse('holds no token: it is empty');
  const alone = 'It must hold the token and nothing else.';
  if (/\s/.test(token)) throw refuse('holds no token: there are blanks or line breaks inside', alone);
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw refuse('holds no token: it has characters that a token cannot have', alone);
  }
  return token;
}

/** Removes what may stand around a token, also one in the other: `OPMAS_TOKEN="Bearer x"`. */
function unwrapped(text: string): string {
  let bare = text;
  for (let layer = 0; layer < 4; layer++) bare = withoutQuotes(bare).replace(PREFIX, '');
  return bare;
}

function tokenIn(object: Record<string, unknown> | undefined): string | undefined {
  const token = TOKEN_MEMBERS.map((name) => object?.[name]).find((value) => typeof value === 'string');
  return token === undefined ? undefined : unwrapped(token as string);
}
