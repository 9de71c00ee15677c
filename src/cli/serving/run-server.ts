import type { MockServer, ServingOptions } from '../../index.js';
import { formatDuration } from '../options/quantity.js';
import type { Session } from '../session.js';
import { clientCount } from './activity-text.js';
import { showStatus } from './status-line.js';

export interface RunServerOptions {
  auth?: ServingOptions['auth'] | undefined;
  /** Progress in a few words, beside clients and rate. */
  describe?: () => string;
  /** Said after the hint how to connect. */
  note?: string | undefined;
  /** Ends it, beside a signal. Default: that the server has finished. */
  until?: Promise<void>;
}

/**
 * Shows a server that listens, and waits for its end or for the user's: the ready line on stdout, the hint how to
 * connect and the progress on stderr. It closes the server.
 */
export async function runServer(
  session: Session,
  server: MockServer,
  options: RunServerOptions,
): Promise<void> {
  const { messages, out } = session.terminal;
  const started = performance.now();
  try {
    for (const warning of server.warnings) messages.warn(warning);
    await out.write(`${JSON.stringify({ listening: server.url, token: server.token })}\n`);
    messages.say(hint(server, options.auth));
    if (options.note !== undefined) messages.say(options.note);
    const rate = new RateMeter(server);
    const describe = () =>
      [options.describe?.(), clientCount(server.clients), rateText(rate.read())]
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

/** How to connect. A token that a real server may take as well is not repeated. */
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

/** Events a second, smoothed over a second or so. */
class RateMeter {
  readonly #server: MockServer;
  #events = 0;
  #since = performance.now();
  #rate = 0;

  constructor(server: MockServer) {
    this.#server = server;
  }

  read(): number {
    const now = performance.now();
    if (now - this.#since >= 1000) {
      const events = this.#server.eventsSent;
      this.#rate = Math.round(((events - this.#events) * 1000) / (now - this.#since));
      this.#events = events;
      this.#since = now;
    }
    return this.#rate;
  }
}

function rateText(rate: number): string {
  return `${rate} ${rate === 1 ? 'event' : 'events'}/s`;
}
