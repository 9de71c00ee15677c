/** A reason that keeps a client from its events. `table.ts` says what follows from each. */
export type FailureKind =
  // The token.
  | 'token unusable'
  | 'token source failing'
  | 'no token'
  | 'token expired'
  | 'token refused'
  | 'forbidden'
  | 'policy violated'
  // The way to the server.
  | 'unknown host'
  | 'name server fails'
  | 'connection refused'
  | 'unreachable'
  | 'local limit'
  | 'cut off'
  | 'silent'
  | 'proxy unreachable'
  | 'proxy silent'
  | 'proxy failing'
  | 'no proxy'
  | 'proxy wants a login'
  | 'proxy refuses'
  // TLS.
  | 'certificate expired'
  | 'certificate not yet valid'
  | 'certificate self-signed'
  | 'certificate untrusted'
  | 'certificate of another name'
  | 'no TLS there'
  | 'TLS wanted'
  // An answer that is no WebSocket.
  | 'not HTTP'
  | 'not a WebSocket'
  | 'redirected'
  | 'wrong path'
  | 'no API'
  | 'rate limited'
  | 'server failing'
  // An end after the connection was open.
  | 'normal close'
  | 'closed'
  | 'closed for policy'
  | 'protocol error'
  | 'message too big'
  | 'no pong';

/** An HTTP answer to a request for a WebSocket. */
export interface HttpAnswer {
  status: number;
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The subject of a refusal, as far as the REST API tells. */
export type RefusalCause =
  /** The API rejects the token, or wants one. */
  | 'token'
  /** The API accepts the token, so the cause is the path, the server, or what we sent. */
  | 'not the token'
  /** There is no API below the base URL. */
  | 'no API'
  /** There is no answer, or the answer does not tell. */
  | 'unknown';

/** The end of a connection, or of an attempt to open one. */
export interface Failure {
  kind: FailureKind;
  /** The end as a recording states it. `closed` comes after `open`, `refused` in place of it. */
  event:
    | { state: 'closed'; code: number; reason: string }
    | { state: 'refused'; status?: number; error?: string };
  /** The answer in place of an upgrade, if there was one. */
  answer?: HttpAnswer;
  /** The wait that the server asked for. */
  retryAfterMs?: number | undefined;
  /** The REST API's word on a refusal that does not explain itself; absent when it was not asked. */
  cause?: RefusalCause;
  /** The next step, where more is known than the table says. A sentence. */
  hint?: string | undefined;
}

/** An error that this program found itself. Its message is made for people and holds no URL. */
export class AttemptError extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
