import type { Redact } from '../address.js';
import type { ApiAnswers, HttpAnswer } from './answer.js';
import type { Advice } from './rule.js';
import type { FailureKind } from './table.js';

/** The end of a connection, or of an attempt to open one. */
export interface Failure extends Advice {
  kind: FailureKind;
  /** The end as a recording states it. `closed` comes after `open`, `refused` in place of it. */
  event:
    | { state: 'closed'; code: number; reason: string }
    | { state: 'refused'; status?: number; error?: string };
  /** The answer in place of an upgrade, if there was one. */
  answer?: HttpAnswer;
  /** The wait that the server asked for. */
  retryAfterMs?: number | undefined;
  /** How far this machine's clock is ahead of the server's, milliseconds, if an answer of the server says so. */
  clockAheadMs?: number | undefined;
  /** The REST API itself accepts or rejects the token. */
  isProven?: boolean;
  /** The proof of the outcome, for an event that has no place for it. */
  note?: string | undefined;
}

/** An error that this program found itself. Its message holds no URL. */
export class AttemptError extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly advice: Advice = {},
  ) {
    super(message);
  }
}

/** The evidence besides the refusal itself. */
export interface RefusalEvidence {
  /** The token that was sent, if any. Its own expiry counts before what others say. */
  token: string | undefined;
  /** The content of the header `Authorization`: the token, or a header of the user. */
  authorization?: 'token' | 'user' | undefined;
  redact: Redact;
  /** Wall clock, milliseconds since 1970. */
  nowMs: number;
  /** How far it is ahead of the server's, if that is known. A `Date` of the server counts before. */
  clockAheadMs?: number | undefined;
  /** A name, or a path. */
  endpoint: string;
  /** Absent when the API was not asked. */
  api?: ApiAnswers | undefined;
  /** The server was asked over TLS. */
  isSecure?: boolean | undefined;
  /** A client certificate was shown. */
  hasCertificate?: boolean | undefined;
  /** Returns whether another endpoint of the server was open. Called when the API has answered. */
  wasOpenBeside?: (() => boolean) | undefined;
  /** The endpoint opens when it is asked without the token. */
  opensWithoutToken?: boolean | undefined;
}
