import { OpmasError } from '../errors.js';

/** A stream of a NATS server: `nats://HOST/STREAM`. */
export interface StreamAddress {
  /** Host and port; empty for `nats:///STREAM`, whose server a context names. */
  host: string;
  /** Name of the stream. */
  stream: string;
  /** `tls://`: no connection without TLS. With `nats://` the server decides. */
  isSecure: boolean;
  /** The address as it was given; it holds no secret. */
  text: string;
}

const DEFAULT_PORT = 4222;
const EXAMPLE = 'Write it like nats://nats.example.org/EVENTS.';
/** The server keeps streams in files of their names. */
const UNFIT_FOR_NAME = /[\s.*>/\\\p{Cc}]/u;

/** Returns whether a source or a target is a stream of NATS instead of a file. */
export function isStreamAddress(text: string): boolean {
  return /^(nats|tls):\/\//i.test(text);
}

/**
 * Reads the address of a stream.
 *
 * @throws {OpmasError} `USAGE`; the message never repeats the text, which may hold a secret.
 */
export function parseStreamAddress(text: string): StreamAddress {
  const fail = (why: string, hint = EXAMPLE): never => {
    throw new OpmasError('USAGE', `the address of the stream ${why}`, { hint });
  };
  const [, scheme = '', authority = '', path] = /^(nats|tls):\/\/([^/?#]*)([^?#]*)$/i.exec(text) ?? [];
  if (path === undefined) return fail('cannot be read');
  if (authority.includes('@') || /:.*@/.test(path)) {
    return fail(
      'holds a user, a password or a token, which other users could read in the process list',
      'Leave them out. Use `access`, or NATS_USER and NATS_PASSWORD.',
    );
  }
  if (authority.includes(',')) {
    return fail(
      'names several hosts',
      'Name one, or write nats:///STREAM and name them in a context or NATS_URL.',
    );
  }
  const stream = decoded(path.replace(/^\/|\/$/g, ''));
  if (stream === undefined || stream === '') return fail('names no stream');
  if (UNFIT_FOR_NAME.test(stream)) {
    return fail(`names ${JSON.stringify(stream)}, which is not valid: no dots, spaces, slashes, * or >`);
  }
  const url = URL.canParse(`ws://${authority}`) ? new URL(`ws://${authority}`) : undefined;
  if (authority !== '' && (url === undefined || url.port === '0'))
    return fail('has a host that cannot be read');
  // `ws://` leaves out its own default port.
  const port = /:80$/.test(authority) ? '80' : url?.port || DEFAULT_PORT;
  const host = url === undefined ? '' : `${url.hostname}:${port}`;
  return { host, stream, isSecure: scheme.toLowerCase() === 'tls', text };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
