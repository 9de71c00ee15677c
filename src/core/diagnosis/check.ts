/** What can keep a client from its events, as far as it can be told apart from outside. */
export type ConnectionFault =
  | 'token unusable'
  | 'no token'
  | 'unknown host'
  | 'name server fails'
  | 'connection refused'
  | 'unreachable'
  | 'certificate expired'
  | 'certificate not yet valid'
  | 'certificate self-signed'
  | 'certificate untrusted'
  | 'certificate of another name'
  | 'no TLS there'
  | 'TLS wanted'
  | 'not HTTP'
  | 'cut off'
  | 'silent'
  | 'not a WebSocket'
  | 'redirected'
  | 'wrong path'
  | 'no API'
  | 'token expired'
  | 'token refused'
  | 'forbidden'
  | 'policy violated'
  | 'rate limited'
  | 'server failing'
  | 'closed'
  | 'no pong'
  | 'proxy unreachable'
  | 'proxy silent'
  | 'no proxy'
  | 'proxy wants a login'
  | 'proxy refuses';

/** One step of a diagnosis. */
export interface Check {
  /** `token`, `dns`, `proxy`, `tcp`, `tls`, `api`, `clock`, `upgrade devices`, `pong devices`. */
  name: string;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What was found, on one line. Not escaped: parts of it come from the network. */
  detail: string;
  durationMs: number;
  fault?: ConnectionFault | undefined;
}
