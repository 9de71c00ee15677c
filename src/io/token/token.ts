import { OpmasError } from '../../core/errors.js';
import { readSecretFile } from './secret-file.js';

/** Where the token of a connection comes from. Asked afresh for every attempt. */
export interface TokenProvider {
  /**
   * The token for the next attempt; `undefined` = connect without one, on purpose.
   *
   * @throws {OpmasError} `AUTH` when there is none; `USAGE` when the place that the user named holds none.
   */
  token(): Promise<string | undefined>;
  /**
   * Asked once after a refusal: true = {@link token} may now give a better one; false = it cannot.
   *
   * @param refused The token that was refused; the one given last, if it is not said. When several connections share
   * a provider, saying it keeps them from renewing twice.
   * @throws {OpmasError} `NETWORK` when the renewal got no answer and may be tried again later.
   */
  renew?(refused?: string): Promise<boolean>;
  /** Why the last renewal gave nothing, for people. */
  readonly problem?: string | undefined;
  /** Renews the token before it ends, until the signal aborts. Open connections are not touched. Never throws. */
  keepFresh?(signal: AbortSignal): Promise<void>;
  /** Where the token comes from, for people: `--token-file t`, `OPMAS_TOKEN`, `keychain`. Never the token. */
  readonly source: string;
  /** What to do when its token is refused: the end of a sentence, like `put a fresh token in OPMAS_TOKEN`. */
  readonly remedy?: string | undefined;
}

/** The longest token that is taken, in bytes. */
export const MAX_TOKEN_BYTES = 64 * 1024;

/** Connects without a token, on purpose (`--no-token`). */
export function noToken(): TokenProvider {
  return {
    source: '--no-token',
    remedy: 'leave out --no-token, so that the login or another token is used',
    token: async () => undefined,
  };
}

/**
 * A token that was handed in as text, from an environment variable for example.
 *
 * @param source Where it comes from, for messages. @throws {OpmasError} `USAGE`, at once, when it can be no token.
 */
export function tokenFromText(text: string, source: string): TokenProvider {
  const token = cleanToken(text, source);
  return { source, token: async () => token };
}

/** What {@link tokenFromFile} takes besides the path. */
export interface TokenFileOptions {
  /** How to name the file in messages. Default: its path. */
  source?: string;
  /** Told once when others may read the file, with the fix; and when a named pipe keeps it waiting. */
  onWarning?: (text: string) => void;
  /** How long the writer of a named pipe may take. Default 10 s. */
  pipeLimitMs?: number | undefined;
}

/** A token that stands in a file, which is read again for every attempt and at every refusal. */
export function tokenFromFile(path: string, options: TokenFileOptions = {}): TokenProvider {
  const source = options.source ?? path;
  let last: string | undefined;
  let onWarning = options.onWarning;
  const read = async () => {
    const { bytes, warning, once } = await readSecretFile(path, source, MAX_TOKEN_BYTES, {
      pipeLimitMs: options.pipeLimitMs,
      onWait: () => options.onWarning?.(`waiting for somebody to write to the pipe of ${source}`),
    });
    if (warning !== undefined) onWarning?.(warning);
    onWarning = undefined;
    return { token: cleanToken(bytes, source), once };
  };
  /** What a pipe gave, which can be read only once. */
  let kept: string | undefined;
  let reading: Promise<string> | undefined;
  const readToken = async () => {
    const { token, once } = await read();
    if (once) kept = token;
    last = token;
    return token;
  };
  return {
    source,
    async token() {
      if (kept !== undefined) return kept;
      // Attempts that begin together share one look, or a pipe would give its content to one of them.
      reading ??= readToken().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    async renew(refused = last) {
      return kept === undefined && (await read()).token !== refused;
    },
  };
}

/** A token that comes as a stream (stdin): read once, when it is first needed, and kept for later attempts. */
export function tokenFromStream(stream: AsyncIterable<Buffer | string>, source: string): TokenProvider {
  let reading: Promise<string> | undefined;
  return {
    source,
    token() {
      reading ??= readAll(stream, source);
      return reading;
    },
  };
}

async function readAll(stream: AsyncIterable<Buffer | string>, source: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    if (length > MAX_TOKEN_BYTES) break;
  }
  return cleanToken(Buffer.concat(chunks), source);
}

/**
 * Takes the wrapping off a token: byte order mark, blanks and line ends around it, a leading `Bearer `. What is inside
 * is the server's affair; it need not be a JWT.
 *
 * @param source What to name in the error, which never shows the content.
 * @throws {OpmasError} `USAGE` when nothing is left, or it has blanks, control or non-ASCII characters inside, or is
 * over {@link MAX_TOKEN_BYTES}.
 */
export function cleanToken(content: Buffer | string, source: string): string {
  const refuse = (what: string, hint?: string) => new OpmasError('USAGE', `${source} ${what}`, { hint });
  // `process.env.X` of a program without types.
  if (content === undefined) throw refuse('holds no token: it is not set');
  const bytes = Buffer.from(content);
  if (bytes.length > MAX_TOKEN_BYTES) throw refuse('is too long to be a token (over 64 KiB)');
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw refuse('is UTF-16 text', 'Save it as UTF-8 or plain ASCII.');
  }
  const token = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trim()
    .replace(/^Bearer(\s+|$)/i, '');
  if (token === '') throw refuse('holds no token: it is empty');
  if (/\s/.test(token))
    throw refuse(
      'holds no token: there are blanks or line breaks inside',
      'It must hold the token and nothing else.',
    );
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw refuse(
      'holds no token: there are characters in it that no token has',
      'It must hold the token and nothing else.',
    );
  }
  return token;
}
