import { displayUrl } from '../address.js';
import type { ErrorCode } from '../errors.js';
import type { FailureKind } from './failure.js';
import { fillIn, type NextCommand, type SaidOptions, writeCommand } from './next-command.js';
import { failureTable } from './table.js';

/** One step of a diagnosis. */
export interface Check {
  /** `token`, `dns`, `proxy`, `tcp`, `tls`, `api`, `clock`, `upgrade devices`, `pong devices`. */
  name: string;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** The finding, on one line. Not escaped: parts of it come from the network. */
  detail: string;
  durationMs: number;
  failure?: FailureKind | undefined;
}

/** The outcome of all checks. */
export interface Verdict {
  failure: FailureKind | undefined;
  /** The kind of error that a connection would end with; `undefined` when nothing failed. */
  code: ErrorCode | undefined;
  text: string;
  /** The next command to type. */
  next: string;
}

/** The server and the token that were checked. */
export interface DiagnosedServer {
  /** Base URL. */
  url: URL;
  /** Where the token comes from; `undefined` = a stored login, which a new login replaces. */
  tokenSource?: string | undefined;
  /** The step to take when that source's token is rejected: the end of a sentence. */
  tokenRemedy?: string | undefined;
  /** The token has the shape of a JWT; `undefined` when there is no token. */
  tokenIsJwt?: boolean | undefined;
  /** The options that the next command repeats. Default: the base URL. */
  said?: SaidOptions | undefined;
}

/** The order of failures: an unusable token comes first, a missing one last; between them the earliest check counts. */
const rank = (kind: FailureKind) => (kind === 'token unusable' ? 0 : kind === 'no token' ? 2 : 1);

/** Judges the checks: names what the user has to mend first. */
export function verdictOf(checks: readonly Check[], server: DiagnosedServer): Verdict {
  const said = server.said ?? { url: displayUrl(server.url) };
  const failed = checks.filter(({ status, failure }) => status === 'failed' && failure !== undefined);
  const [first] = failed.sort((a, b) => rank(a.failure!) - rank(b.failure!));
  if (first === undefined) {
    return {
      failure: undefined,
      code: undefined,
      text: `all is well: ${displayUrl(server.url)} sends its events`,
      next: writeCommand({ name: 'tail' }, said),
    };
  }
  const kind = first.failure!;
  const next = fillInCommand(nextOf(kind, server, said), server.url);
  return {
    failure: kind,
    code: failureTable[kind].code,
    text: fillIn(textOf(kind, server), server.url),
    next: writeCommand(next, said),
  };
}

function textOf(kind: FailureKind, { tokenSource, tokenRemedy, tokenIsJwt }: DiagnosedServer): string {
  const { code, message } = failureTable[kind];
  const isNoJwt = kind === 'token refused' && tokenIsJwt === false;
  const text = isNoJwt ? 'the server rejected the token, which is not a JWT' : message;
  if (tokenSource === undefined || code === 'NETWORK') return text;
  const remedy =
    tokenRemedy ?? `${tokenSource} ${kind === 'no token' ? 'gives none' : 'has to give a fresh one'}`;
  const isSure = kind !== 'forbidden' && kind !== 'policy violated';
  return `${text}; ${isSure ? '' : 'if the token is why: '}${remedy}`;
}

function nextOf(kind: FailureKind, { tokenSource }: DiagnosedServer, said: SaidOptions): NextCommand {
  const { code, next } = failureTable[kind];
  // A login would be hidden by the source that is in use.
  if (code === 'NETWORK' || tokenSource === undefined) return next;
  return said.noToken ? { name: 'doctor', change: { noToken: false } } : { name: 'auth status' };
}

function fillInCommand(command: NextCommand, base: URL): NextCommand {
  const { environment, change } = command;
  return {
    ...command,
    ...(environment === undefined ? {} : { environment: fillIn(environment, base) }),
    ...(change?.url === undefined ? {} : { change: { ...change, url: fillIn(change.url, base) } }),
  };
}
