import { displayUrl } from '../address.js';
import type { ErrorCode } from '../errors.js';
import { lowerFirst } from '../text.js';
import { fillIn, writeCommand } from './next-command.js';
import type { Advice, FailureRule, NextCommand, SaidOptions, TokenSource } from './rule.js';
import { type FailureKind, failureTable, SHOW_ANSWER } from './table.js';

/** One step of a diagnosis. */
export interface Check extends Advice {
  name:
    | ('config' | 'token' | 'dns' | 'proxy' | 'tcp' | 'tls' | 'api' | 'clock' | 'prefix')
    | `${'upgrade' | 'pong'} ${string}`;
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
  url: URL;
  /** Where the token comes from; `undefined` = a stored login, which a new login replaces. */
  tokenSource?: TokenSource | undefined;
  /** The token has the shape of a JWT; `undefined` when there is no token. */
  tokenIsJwt?: boolean | undefined;
  /** The proxy on the way to the server, without credentials, and its source. */
  proxy?: string | undefined;
  /** The options that the next command repeats. Default: the base URL. */
  said?: SaidOptions | undefined;
}

/** The order of failures: an unusable token comes first, a missing one last; between them the earliest check counts. */
const rank = (kind: FailureKind) => (kind === 'token unusable' ? 0 : kind === 'no token' ? 2 : 1);

/** Judges the checks: names what the user has to fix first. */
export function verdictOf(checks: readonly Check[], server: DiagnosedServer): Verdict {
  const said = server.said ?? { url: displayUrl(server.url) };
  const failed = checks.filter(({ status, failure }) => status === 'failed' && failure !== undefined);
  const [first] = failed.sort((a, b) => rank(a.failure!) - rank(b.failure!));
  if (first === undefined) {
    const doubt = checks.find(({ name, status }) => /^(clock|pong)/.test(name) && status === 'warning');
    return {
      failure: undefined,
      code: undefined,
      text: `all is well: the streams of ${displayUrl(server.url)} open, answer and stay open for a second${doubt === undefined ? '' : `, but ${doubt.detail}`}`,
      next: writeCommand({ name: 'tail' }, said, server.url),
    };
  }
  const kind = first.failure!;
  const { message, next } = conclude(first, checks, server, said);
  return {
    failure: kind,
    code: failureTable[kind].code,
    text: fillIn(message, server.url, server.proxy),
    next: writeCommand(fillInCommand(next, server), said, server.url),
  };
}

/** The endpoints whose upgrade ended so. */
function endpointsOf(checks: readonly Check[], isMeant: (check: Check) => boolean): string[] {
  const upgrades = checks.filter((check) => check.name.startsWith('upgrade ') && isMeant(check));
  return upgrades.map(({ name }) => name.slice('upgrade '.length));
}

/** A reason, and the command to type next. */
type Conclusion = Pick<FailureRule, 'message' | 'next'>;

function conclude(
  first: Check,
  checks: readonly Check[],
  server: DiagnosedServer,
  said: SaidOptions,
): Conclusion {
  const kind = first.failure!;
  const rule = failureTable[kind];
  const usual = rule.code === 'NETWORK' ? rule : concludeOnToken(first, server, said);
  const { hint = usual.message, next = usual.next } = first;
  // The message about a proxy names it; the hint says what to do about it.
  const isOfProxy = first.hint !== undefined && rule.message.startsWith('{proxy}');
  const message = isOfProxy ? `${rule.message}: ${lowerFirst(hint)}` : hint;
  if (kind !== 'endpoint refuses' && kind !== 'endpoint does not exist') return { message, next };
  const named = `${endpointsOf(checks, ({ failure }) => failure === kind).join(', ')}: ${message}`;
  if (first.next !== undefined) return { message: named, next };
  const working = endpointsOf(checks, ({ status }) => status === 'ok');
  if (working.length > 0) return { message: named, next: { name: 'tail', change: { endpoints: working } } };
  return { message: named, next: said.endpoints?.length ? next : SHOW_ANSWER };
}

function concludeOnToken(
  { failure, name, detail }: Check,
  { tokenSource, tokenIsJwt }: DiagnosedServer,
  said: SaidOptions,
): Conclusion {
  const kind = failure!;
  let { message, next } = failureTable[kind];
  // The check knows more: which file, and why.
  if (kind === 'no token' && name === 'token') message = detail;
  if (kind === 'token refused' && tokenIsJwt === false)
    message = 'the server rejected the token, which is not a JWT';
  // A login would be hidden by the source that is in use.
  if (tokenSource === undefined || kind === 'token not valid yet') return { message, next };
  const { source, hint = `${source} ${kind === 'no token' ? 'gives none' : 'has to give a fresh one'}` } =
    tokenSource;
  next = said.noToken ? { name: 'doctor', change: { noToken: false } } : (tokenSource.next ?? next);
  return { message: `${message}; ${kind === 'unknown' ? 'if the token is the cause: ' : ''}${hint}`, next };
}

function fillInCommand(command: NextCommand, { url, proxy }: DiagnosedServer): NextCommand {
  if ('shell' in command) return { shell: command.shell.map((word) => fillIn(word, url, proxy)) };
  const { environment, change } = command;
  // The URL in the name of a proxy, with a place for the user and the password.
  const withLogin = (proxy ?? '').replace(/^.*?(\w+:\/\/)(\S+).*$/, '$1USER:PASSWORD@$2');
  return {
    ...command,
    ...(environment === undefined ? {} : { environment: fillIn(environment, url) }),
    ...(change?.url === undefined ? {} : { change: { ...change, url: fillIn(change.url, url) } }),
    ...(change?.proxy === '{proxy}' ? { change: { ...change, proxy: withLogin } } : {}),
  };
}
