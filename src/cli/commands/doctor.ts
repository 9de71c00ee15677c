import {
  type Check,
  diagnose,
  displayUrl,
  escapeUnsafe,
  OpmasError,
  StoredToken,
  type Verdict,
} from '../../index.js';
import { withServerChoice } from '../../internal.js';
import type { Command } from '../commander.js';
import { type Connection, resolveConnection } from '../connection/resolve-connection.js';
import { EXIT_CODES, FIRST_SERVER } from '../exit.js';
import { formatDuration } from '../options/quantity.js';
import { addEndpoints, endpointsOf } from '../options/selection.js';
import { addTokenOptions, type TokenOptions } from '../options/server-options.js';
import { runCommand, type Session } from '../session.js';
import type { Palette } from '../terminal/palette.js';

interface DoctorOptions extends TokenOptions {
  json?: boolean;
}

const HELP = `
Checks, in this order: configuration, token, host name, TCP (or the proxy), TLS, the REST API, this machine's clock,
and on each endpoint the upgrade and the first pong. Exits with the code that \`tail\` would exit with.

Examples:
  $ opmas-ws doctor                                  check the server and the endpoints that \`tail\` would use
  $ opmas-ws doctor devices --url wss://opmas.example.org
  $ opmas-ws doctor --json | jq -r .verdict`;

const SIGNS = { ok: '✓', warning: '!', failed: '✗', skipped: '-' } as const;

/** Configures `doctor`. */
export function configure(command: Command): void {
  addTokenOptions(addEndpoints(command).option('--json', 'print one JSON object'))
    .addHelpText('after', HELP)
    .action((endpoints: string[], options: DoctorOptions) =>
      runCommand(command, (session) => runDoctor(session, endpoints, options)),
    );
}

/** Prints each check when it is done, then a verdict and the next command to type. */
async function runDoctor(session: Session, words: string[], options: DoctorOptions): Promise<void> {
  const endpoints = endpointsOf(words);
  const checks: Check[] = [];
  const report = async (found: Check) => {
    // An interrupted check has no result.
    if (session.stop.aborted) return;
    const check = { ...found, detail: withServerChoice(found.detail, session.said) };
    checks.push(check);
    if (!options.json) await session.terminal.out.write(line(session, check));
  };
  const start = performance.now();
  const reportConfig = (status: Check['status'], detail: string) =>
    report({ name: 'config', status, detail, durationMs: performance.now() - start });
  let connection: Connection | undefined;
  let verdict: Verdict;
  try {
    connection = await resolveConnection(session, options);
    session.terminal.messages.warn(...connection.warnings);
    await reportConfig('ok', describe(connection));
    const { tokenFile } = options;
    const said = { ...session.said, tokenFile, noToken: options.token === false, endpoints: words };
    const { url, token, route } = connection;
    const steps = diagnose({ url, token, ...route, endpoints, said, signal: session.stop });
    let step = await steps.next();
    for (; !step.done; step = await steps.next()) await report(step.value);
    verdict = step.value;
  } catch (error) {
    if (!(error instanceof OpmasError)) throw error;
    await reportConfig('failed', error.message);
    verdict = {
      failure: undefined,
      code: error.code,
      text: error.message,
      next: withServerChoice(error.hint ?? 'opmas-ws doctor --help', session.said),
    };
  }
  if (session.stop.aborted) return;
  verdict = { ...verdict, text: textOf(session, verdict) };
  const { out } = session.terminal;
  if (options.json) await out.writeJson(reportOf(connection, checks, verdict));
  else await out.write(conclusion(verdict, out.palette));
  if (verdict.code !== undefined) session.exitCode = EXIT_CODES[verdict.code];
}

/** Completes the commands in the verdict, and adds the ways to a server for a user who has chosen none. */
function textOf({ said, usesDefaultServer }: Session, { text, code }: Verdict): string {
  const complete = withServerChoice(text, said);
  const isOnTheWay = code === 'AUTH' || code === 'NETWORK';
  return usesDefaultServer && isOnTheWay ? `${complete}. ${FIRST_SERVER}` : complete;
}

function conclusion({ code, text, next }: Verdict, { green, red, bold }: Palette): string {
  const paint = code === undefined ? green : red;
  return `\n${paint('verdict')}  ${escapeUnsafe(text)}\n${bold('next')}     ${escapeUnsafe(next)}\n`;
}

function line({ terminal }: Session, { name, status, detail, durationMs }: Check): string {
  const { green, yellow, red, dim } = terminal.out.palette;
  const paint = { ok: green, warning: yellow, failed: red, skipped: dim }[status];
  const time = status === 'skipped' ? '' : ` ${dim(`(${formatDuration(durationMs)})`)}`;
  return `${paint(SIGNS[status])} ${escapeUnsafe(name).padEnd(16)} ${escapeUnsafe(detail)}${time}\n`;
}

function describe({ url, config, urlSource, context, hidden }: Connection): string {
  const file = config.exists ? `, ${config.path}` : '';
  const from =
    context === undefined || urlSource === `context ${context.name}` ? '' : `, context ${context.name}`;
  const unused = hidden.length === 0 ? '' : `; set but not used: ${hidden.join(', ')}`;
  return `${displayUrl(url)} (${urlSource}${from}${file})${unused}`;
}

function reportOf(connection: Connection | undefined, checks: readonly Check[], verdict: Verdict) {
  const isMissing = checks.some(({ name, failure }) => name === 'token' && failure === 'no token');
  const hasNoLogin = isMissing && connection?.token instanceof StoredToken;
  return {
    ok: verdict.code === undefined,
    server: connection === undefined ? null : displayUrl(connection.url),
    token_source: hasNoLogin ? null : (connection?.token.source ?? null),
    hidden: connection?.hidden ?? [],
    fault: verdict.failure ?? null,
    verdict: verdict.text,
    next: verdict.next,
    checks: checks.map(({ name, status, detail, durationMs, failure }) => ({
      name,
      status,
      detail,
      milliseconds: Math.round(durationMs * 10) / 10,
      fault: failure ?? null,
    })),
  };
}
