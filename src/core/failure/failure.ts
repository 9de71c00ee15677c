import type { ErrorCode } from '../errors.js';
import type { HttpAnswer } from './answer.js';
import type { FailureKind } from './kind.js';
import type { NextCommand } from './next-command.js';

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
  /** How far this machine's clock is ahead of the server's, milliseconds, if an answer of the server says so. */
  clockAheadMs?: number | undefined;
  /** The REST API itself accepts or rejects the token. */
  isProven?: boolean;
  /** The proof of the outcome, for an event that has no place for it. */
  note?: string | undefined;
  /** The next step, where more is known than the table says. A sentence. */
  hint?: string | undefined;
  /** The same as a command. */
  next?: NextCommand | undefined;
}

/** An error that this program found itself. Its message is made for people and holds no URL. */
export class AttemptError extends Error {
  readonly kind: FailureKind;
  /** The next step. A sentence. */
  readonly hint: string | undefined;
  /** The same as a command. */
  readonly next: NextCommand | undefined;

  constructor(kind: FailureKind, message: string, hint?: string, next?: NextCommand) {
    super(message);
    this.kind = kind;
    this.hint = hint;
    this.next = next;
  }
}

/** The rule for the retry loop (`../retry.ts`) after a failure. */
export type Consequence =
  /** Try again. */
  | 'retry'
  /** Renew the token once, then try again; a second refusal in a row ends the endpoint. */
  | 'renew'
  /** Another attempt rarely helps. The second such end in a row ends an endpoint that never worked. */
  | 'likelyFatal'
  /** Give up at once. */
  | 'fatal'
  /** The server closed the connection in good order: reconnect, unless the caller said to end then. */
  | 'normal';

/** Everything that follows from a kind of failure. */
export interface FailureRule {
  /** The kind of error that it ends with, and so the exit code. */
  code: ErrorCode;
  consequence: Consequence;
  /** The reason, as a clause. `{host}`, `{port}`, `{base}` and `{http}` stand for the server's, `{proxy}` for the proxy and its source. */
  message: string;
  /** The command to type next. Its URL may also have `{scheme}` and `{prefix}`. */
  next: NextCommand;
}
