import { OpmasError } from '../../core/errors.js';
import { parseStreamAddress, type StreamAddress } from '../../core/jetstream/address.js';
import { checkPrefix, DEFAULT_PREFIX } from '../../core/jetstream/subjects.js';
import type { TrustOptions } from '../http/tls-trust.js';

/** The login at a NATS server, and the way to it. All of it is optional. */
export interface NatsAccess extends TrustOptions {
  /** Servers in place of the host of an address: `host:port`. */
  servers?: readonly string[] | undefined;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  /** Content of a file of credentials: a JWT and the seed of its key. */
  creds?: string | undefined;
  /** Seed of an NKey. */
  nkey?: string | undefined;
  /** Reads `creds` or `nkey` again, before each connection; where it fails, the given ones are used. */
  renew?: (() => Promise<Pick<NatsAccess, 'creds' | 'nkey'>>) | undefined;
  /** JetStream domain, or the prefix of its API. */
  domain?: string | undefined;
  apiPrefix?: string | undefined;
  inboxPrefix?: string | undefined;
  /** TLS before anything else is sent. */
  tlsFirst?: boolean | undefined;
  /** Sends a password or a token without TLS to another machine, too. */
  plaintext?: boolean | undefined;
  /** How a user names certificates and `plaintext`, for messages. Default: as options. `plaintext: ''`: not at all. */
  named?: { ca?: string; cert?: string; plaintext?: string } | undefined;
  /** The origin of the login, for messages: `NATS_CREDS`. */
  source?: string | undefined;
  environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The server of a stream, and the subjects of our lines in it. */
export interface StreamOptions {
  access?: NatsAccess | undefined;
  /** First tokens of the subjects. Default `opmas-ws`. */
  prefix?: string | undefined;
}

/** How a stream is read. */
export interface StreamReadOptions {
  nats?: StreamOptions | undefined;
  /** Begin with what was stored at this time, in milliseconds since 1970. Default: at the start of the stream. */
  sinceMs?: number | undefined;
  /** Wait for new lines until the signal aborts; an empty block says that all is read. Default: end with the last one. */
  follow?: boolean | undefined;
  /** Number of the message to begin with. Default: the first one, or that of `sinceMs`. */
  start?: number | undefined;
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number) => void) | undefined;
  /** Called with a sentence when reading is interrupted, when it goes on, and when the stream was made again. */
  onChange?: ((message: string) => void) | undefined;
}

/** A stream that can be connected to. */
export interface StreamTarget {
  address: StreamAddress;
  access: NatsAccess;
  /** First tokens of the subjects. */
  prefix: string;
}

/** @throws {OpmasError} `USAGE` for an address or a prefix that cannot be used. */
export function targetOf(
  to: string,
  { access = {}, prefix = DEFAULT_PREFIX }: StreamOptions = {},
): StreamTarget {
  const address = parseStreamAddress(to);
  checkPrefix(prefix);
  if (address.host === '' && access.servers === undefined) {
    throw new OpmasError('USAGE', 'the address of the stream names no host', {
      hint: 'Write it like nats://nats.example.org/EVENTS, or name the server with --nats-context or NATS_URL.',
    });
  }
  return { address, access: address.host === '' ? access : { ...access, servers: undefined }, prefix };
}
