import {
  CloseCode,
  closeMeaning,
  escapeUnsafe,
  type MockServer,
  OpmasError,
  type ServerActivity,
  type ServingOptions,
  systemClock,
} from '../index.js';
import { FAULT_EXAMPLES } from '../internal.js';
import type { Command } from './commander.js';
import {
  counted,
  formatDuration,
  parseDuration,
  parsePositiveDuration,
  parseWholeNumber,
} from './options/quantity.js';
import { collect } from './options/selection.js';
import type { Session } from './session.js';
import { createLiveLine, RateMeter } from './terminal/live-line.js';
import type { Palette } from './terminal/palette.js';
import type { Messages } from './terminal/terminal.js';

/** Options that `replay` and `mock` share. */
export interface ServingCommandOptions {
  port: number;
  host?: string;
  auth: 'jwt' | 'secret' | 'none';
  refuse: 'close' | 'http';
  /** Milliseconds. */
  tokenLife?: number;
  fault?: string[];
  seed?: number;
  allowOrigin?: string[];
  /** Milliseconds. */
  duration?: number;
}

/** Adds the options of {@link ServingCommandOptions} to a command. */
export function addServingOptions(command: Command): Command {
  return command
    .optionsGroup('Server:')
    .value('-p, --port <n>', 'port to listen on; 0 is any free port', parsePort, '8000')
    .option('--host <host>', 'address to listen on (default: 127.0.0.1 and ::1)')
    .choice('--auth <mode>', 'accept any unexpired JWT, one signed with OPMAS_MOCK_SECRET, or anything', [
      'jwt',
      'secret',
      'none',
    ])
    .choice('--refuse <how>', 'reject a bad token with close 4001 after accepting, or with HTTP 403', [
      'close',
      'http',
    ])
    .value(
      '--token-life <t>',
      'lifetime of all issued tokens (default: 1h; of the printed one 30 days)',
      parseDuration,
    )
    .option('--fault <spec>', `inject a fault, repeatable: ${FAULT_EXAMPLES}`, collect)
    .value('--seed <n>', 'repeat the same faults, and for mock the same events', parseWholeNumber)
    .option('--allow-origin <origin>', 'allow a browser origin; `null`: local files; repeatable', collect)
    .value('--duration <t>', 'stop after this time', parsePositiveDuration);
}

/** Translates the options for `startMockServer` and `serveRecording`. */
export function resolveServing(session: Session, options: ServingCommandOptions): ServingOptions {
  const { messages } = session.terminal;
  return {
    port: options.port,
    host: options.host,
    auth: options.auth,
    secret: session.environment.OPMAS_MOCK_SECRET || undefined,
    refuse: options.refuse,
    tokenLifeMs: options.tokenLife,
    allowOrigins: options.allowOrigin,
    faults: options.fault,
    seed: options.seed,
    onActivity: (activity) => messages.say(activityText(activity, messages.palette)),
  };
}

function parsePort(text: string, name: string): number {
  const port = parseWholeNumber(text, name);
  if (port > 65_535)
    throw new OpmasError('USAGE', `${name}: ${text} is too large; the highest port is 65535`);
  return port;
}

const MOST_OF_A_NAME = 200;
const PLAIN_INTERVAL_MS = 10_000;

interface RunServerOptions {
  /** Milliseconds after which the server ends. */
  duration?: number | undefined;
  auth?: ServingOptions['auth'] | undefined;
  /** Formats the progress in a few words, shown before clients and rate. */
  describe?: () => string;
  /** Printed after the command to connect. */
  note?: string | undefined;
  /** Resolves when the server is to end, besides a signal. Default: when the server has finished. */
  until?: Promise<void>;
}

/**
 * Prints the ready line of a server on stdout, and the command to connect and the progress on stderr. Closes the
 * server when it has finished or the user stops the command.
 */
export async function runServer(
  session: Session,
  server: MockServer,
  options: RunServerOptions,
): Promise<void> {
  const { messages, out } = session.terminal;
  const started = performance.now();
  try {
    messages.warn(...server.warnings);
    await out.write(`${JSON.stringify({ listening: server.url, token: server.token })}\n`);
    messages.say(hint(server, options.auth === 'secret' || (out.isTerminal && messages.isTerminal)));
    if (options.note !== undefined) messages.say(options.note);
    const rate = new RateMeter();
    const describe = () =>
      [
        options.describe?.(),
        clientCount(server.clients),
        `${counted(rate.update(server.eventsSent), 'event')}/s`,
      ]
        .filter((part) => part !== undefined)
        .join(', ');
    const endStatus = showStatus(messages, describe);
    const { duration, until = server.finished } = options;
    if (duration !== undefined) void session.requests.endAfter(duration);
    const over = new AbortController();
    const stop = AbortSignal.any([session.stop, over.signal]);
    try {
      await Promise.race([until, systemClock.sleep(duration ?? Number.POSITIVE_INFINITY, stop)]);
    } finally {
      over.abort();
      endStatus();
    }
  } finally {
    await server.close();
  }
  const lasted = formatDuration(performance.now() - started);
  messages.say(`Served ${counted(server.eventsSent, 'event')} in ${lasted}.`);
}

/**
 * Shows the status of a server on stderr: in a live line on a terminal, otherwise in a new line every 10 s if it has
 * changed.
 *
 * @param describe Returns the status, in ASCII and without colors, because it is cut to the width.
 * @returns A function that removes the status.
 */
function showStatus(messages: Messages, describe: () => string): () => void {
  if (messages.canShowLive) {
    const line = createLiveLine(messages, (columns) => describe().slice(0, columns));
    line.redraw();
    return line.end;
  }
  let last = describe();
  const timer = setInterval(() => {
    const text = describe();
    if (text !== last) messages.say(text);
    last = text;
  }, PLAIN_INTERVAL_MS);
  return () => clearInterval(timer);
}

/**
 * Formats the command to connect.
 *
 * @param hidesToken Does not repeat the token of the ready line: a real server may accept it, too, or it is shown above.
 */
function hint(server: MockServer, hidesToken: boolean): string {
  const token = hidesToken ? '"$TOKEN"' : server.token;
  const connect = `OPMAS_URL=${server.url} OPMAS_TOKEN=${token} opmas-ws tail`;
  const lines = [`Serving on ${server.url}. Ctrl-C ends it. Connect with:`, `  ${connect}`];
  if (hidesToken) lines.push('  where TOKEN is the token printed on stdout');
  return lines.join('\n');
}

/** Formats an activity of a server as one line. */
function activityText(activity: ServerActivity, palette: Palette): string {
  switch (activity.kind) {
    case 'opened':
      return `${escapeUnsafe(activity.endpoint)}: client connected (${clientCount(activity.clients)})`;
    case 'ended': {
      const { endpoint, code, why, clients } = activity;
      const cause = why === undefined ? '' : `: ${why.toLowerCase()}`;
      // A server never sends this code to its clients here: it comes from a page that was closed.
      const meaning = code === CloseCode.GOING_AWAY ? 'client going away' : closeMeaning(code);
      return `${escapeUnsafe(endpoint)}: client disconnected, ${code} ${meaning}${cause} (${clientCount(clients)})`;
    }
    case 'refused': {
      const status = activity.code === undefined ? 'no answer' : activity.code;
      const why = short(activity.why);
      return palette.yellow(`${short(escapeUnsafe(activity.endpoint))}: refused, ${status}: ${why}`);
    }
    case 'fault': {
      const { fault, phase, clients } = activity;
      const when = phase === 'now' ? '' : ` ${phase}`;
      return palette.yellow(`fault ${fault.text}${when} (${clientCount(clients)})`);
    }
  }
}

/** Paths and headers of strangers may have 16 KB. */
function short(text: string): string {
  return text.length > MOST_OF_A_NAME ? `${text.slice(0, MOST_OF_A_NAME)}…` : text;
}

/** `no clients`, `1 client`, `2 clients`. */
function clientCount(clients: number): string {
  return clients === 0 ? 'no clients' : counted(clients, 'client');
}
