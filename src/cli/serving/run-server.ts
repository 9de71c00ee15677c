import {
  CloseCode,
  closeMeaning,
  escapeUnsafe,
  type MockServer,
  type ServerActivity,
  type ServingOptions,
} from '../../index.js';
import { formatDuration } from '../options/quantity.js';
import type { Session } from '../session.js';
import { createLiveLine, RateMeter } from '../terminal/live-line.js';
import type { Palette } from '../terminal/palette.js';
import type { Messages } from '../terminal/terminal.js';

const PLAIN_INTERVAL_MS = 10_000;

export interface RunServerOptions {
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
    messages.say(hint(server, options.auth));
    if (options.note !== undefined) messages.say(options.note);
    const rate = new RateMeter();
    const describe = () =>
      [options.describe?.(), clientCount(server.clients), rateText(rate.update(server.eventsSent))]
        .filter((part) => part !== undefined)
        .join(', ');
    const endStatus = await showStatus(messages, describe);
    try {
      await Promise.race([options.until ?? server.finished, aborted(session.stop)]);
    } finally {
      endStatus();
    }
  } finally {
    await server.close();
  }
  const lasted = formatDuration(performance.now() - started);
  messages.say(`Served ${server.eventsSent} ${server.eventsSent === 1 ? 'event' : 'events'} in ${lasted}.`);
}

/**
 * Shows the status of a server on stderr: in a live line on a terminal, otherwise in a new line every 10 s if it has
 * changed.
 *
 * @param describe Returns the status, in ASCII and without colors, because it is cut to the width.
 * @returns A function that removes the status.
 */
async function showStatus(messages: Messages, describe: () => string): Promise<() => void> {
  if (messages.canShowLive) {
    const line = await createLiveLine(messages, (columns) => describe().slice(0, columns));
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

/** Formats the command to connect. Does not repeat a token that a real server may also accept. */
function hint(server: MockServer, auth: ServingOptions['auth']): string {
  const token = auth === 'secret' ? '"$TOKEN"' : server.token;
  const connect = `OPMAS_URL=${server.url} OPMAS_TOKEN=${token} opmas-ws tail`;
  const lines = [`Serving on ${server.url}. Ctrl-C ends it. Connect with:`, `  ${connect}`];
  if (auth === 'secret') lines.push('  where TOKEN is the token printed on stdout');
  return lines.join('\n');
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function rateText(rate: number): string {
  return `${rate} ${rate === 1 ? 'event' : 'events'}/s`;
}

/** Formats an activity of a server as one line. */
export function activityText(activity: ServerActivity, palette: Palette): string {
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
      return palette.yellow(`${escapeUnsafe(activity.endpoint)}: refused, ${status}: ${activity.why}`);
    }
    case 'fault': {
      const { fault, phase, clients } = activity;
      const when = phase === 'now' ? '' : ` ${phase}`;
      return palette.yellow(`fault ${fault.text}${when} (${clientCount(clients)})`);
    }
  }
}

/** `no clients`, `1 client`, `2 clients`. */
export function clientCount(clients: number): string {
  if (clients === 0) return 'no clients';
  return clients === 1 ? '1 client' : `${clients} clients`;
}
