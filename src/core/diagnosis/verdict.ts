import type { ErrorCode } from '../errors.js';
import { advices } from './advice.js';
import type { Check, ConnectionFault } from './check.js';
import { type NextCommand, type SaidOptions, writeCommand } from './next-command.js';

/** The outcome of all checks. */
export interface Verdict {
  fault: ConnectionFault | undefined;
  /** The kind of error that a connection would end with; `undefined` when all is well. */
  code: ErrorCode | undefined;
  text: string;
  /** The next command to type. */
  next: string;
}

/** What the verdict needs to know of the server. */
export interface DiagnosedServer {
  /** `ws:` or `wss:`. */
  protocol: string;
  hostname: string;
  port: string;
  /** As it may be shown. */
  base: string;
  /** Where the token comes from; `undefined` = a stored login, which a new login replaces. */
  tokenSource?: string | undefined;
  /** What to do when that source's token is refused: the end of a sentence. */
  tokenRemedy?: string | undefined;
  /** Whether the token has the shape of a JWT; `undefined` when there is none. */
  tokenIsJwt?: boolean | undefined;
  /** What the next command repeats. Default: the base URL. */
  said?: SaidOptions | undefined;
}

/** Faults that are looked at first; of the others, the one that came first counts. */
const rank = (fault: ConnectionFault) => (fault === 'token unusable' ? 0 : fault === 'no token' ? 2 : 1);

/** Judges the checks: what the user has to mend first. */
export function verdictOf(checks: readonly Check[], server: DiagnosedServer): Verdict {
  const said = server.said ?? { url: server.base };
  const failed = checks.filter(({ status, fault }) => status === 'failed' && fault !== undefined);
  const [first] = failed.sort((a, b) => rank(a.fault!) - rank(b.fault!));
  if (first === undefined) {
    return {
      fault: undefined,
      code: undefined,
      text: `all is well: ${server.base} gives its events`,
      next: writeCommand({ name: 'tail' }, said),
    };
  }
  const fault = first.fault!;
  const { code } = advices[fault];
  const text = fillIn(textOf(fault, server), server);
  const next = writeCommand(fillInCommand(nextOf(fault, server, said), server), said);
  return { fault, code, text, next };
}

function textOf(fault: ConnectionFault, { tokenSource, tokenRemedy, tokenIsJwt }: DiagnosedServer): string {
  const { code, text } = advices[fault];
  const said =
    fault === 'token refused' && tokenIsJwt === false
      ? 'the server refuses the token, which is no JWT, so it is hardly the right one'
      : text;
  if (tokenSource === undefined || code === 'NETWORK') return said;
  const what = fault === 'no token' ? 'gives none' : 'has to give a fresh one';
  const remedy = tokenRemedy ?? `${tokenSource} ${what}`;
  const isSure = fault !== 'forbidden' && fault !== 'policy violated';
  return `${said}; ${isSure ? '' : 'if it is the token: '}${remedy}`;
}

function nextOf(fault: ConnectionFault, { tokenSource }: DiagnosedServer, said: SaidOptions): NextCommand {
  const { code, next } = advices[fault];
  // A login would be hidden by the source that is in use.
  if (code === 'NETWORK' || tokenSource === undefined) return next;
  return said.noToken ? { name: 'doctor', change: { noToken: false } } : { name: 'auth status' };
}

function fillIn(text: string, { protocol, hostname, port, base }: DiagnosedServer): string {
  const prefix = base.replace(/^[^/]*\/\/[^/]*/, '');
  const values: Record<string, string> = { host: hostname, port, base, scheme: protocol, prefix };
  return text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

function fillInCommand(command: NextCommand, server: DiagnosedServer): NextCommand {
  const { environment, change } = command;
  return {
    ...command,
    ...(environment === undefined ? {} : { environment: fillIn(environment, server) }),
    ...(change?.url === undefined ? {} : { change: { ...change, url: fillIn(change.url, server) } }),
  };
}
