import type { FailureKind } from './failure/table.js';

/**
 * The kind of an error, as one word. Each is one exit code of the command line (README, "Exit codes").
 *
 * - `USAGE`: an option, an argument, a filter or the configuration is wrong; nothing was connected.
 * - `AUTH`: there is no token, or the server rejected it and it cannot be renewed.
 * - `NETWORK`: the server or the way to it failed for good.
 * - `LOCAL`: this machine failed: disk full, no permission, file locked, port in use.
 * - `DATA`: a recording cannot be read.
 * - `INCOMPLETE`: fewer events than asked for came.
 * - `GAPS`: events that were asked for may have been missed.
 */
export type ErrorCode = 'USAGE' | 'AUTH' | 'NETWORK' | 'LOCAL' | 'DATA' | 'INCOMPLETE' | 'GAPS';

/** The members of an {@link OpmasError} besides its message. */
export interface OpmasErrorOptions {
  /** The next step, as a sentence or a command; line feeds separate its lines. */
  hint?: string | undefined;
  cause?: unknown;
  /** The reason of an error of kind `AUTH` or `NETWORK`, where it is known more closely. */
  failure?: FailureKind | undefined;
}

/** The only error that this library throws on purpose; anything else is a bug of ours. */
export class OpmasError extends Error {
  override readonly name = 'OpmasError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly failure: FailureKind | undefined;

  /** @param message The event and its reason, on one line, without a token. */
  constructor(code: ErrorCode, message: string, options: OpmasErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.failure = options.failure;
  }
}
