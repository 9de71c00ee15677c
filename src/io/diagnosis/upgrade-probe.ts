import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { CloseCode } from '../../core/close-code.js';
import { proxyAgentFor } from '../http/proxy.js';
import { OwnFault } from '../http/system-error.js';
import type { WebSocket } from '../websocket.js';

/** How an attempt to open one endpoint went. */
export interface ProbeResult {
  outcome: ProbeOutcome;
  /** From the beginning to the upgrade or its refusal. */
  upgradeMs: number;
  /** From our protocol ping to the pong; `undefined` when none came. */
  roundTripMs: number | undefined;
}

/** How an attempt on one endpoint went. */
export type ProbeOutcome =
  | { kind: 'open' }
  /** Closed after the upgrade, before anything showed that the server means to keep it. */
  | { kind: 'closed'; code: number; reason: string }
  | { kind: 'refused'; status: number; headers: IncomingHttpHeaders }
  | { kind: 'failed'; error: unknown }
  | { kind: 'silent' };

/** What to try. */
export interface ProbeOptions {
  /** Endpoint with the token in its query. */
  url: URL;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const UPGRADE_LIMIT_MS = 10_000;
/** How long a pong is waited for. */
export const PONG_LIMIT_MS = 5000;
/** A server that accepts first and refuses the token then, does so within that time. */
const REFUSAL_LIMIT_MS = 1000;
const CLOSE_LIMIT_MS = 200;

/** Opens an endpoint, pings it, and waits for a refusal that comes late. */
export async function probeUpgrade(options: ProbeOptions): Promise<ProbeResult> {
  const { url, ca, insecure, signal } = options;
  const agent = await proxyAgentFor(url, { ca });
  const { WebSocket } = await import('../websocket.js');
  const start = performance.now();
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    followRedirects: false,
    ...(agent ? { agent } : {}),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: insecure !== true,
  });
  const result = await new Promise<ProbeResult>((resolve) => {
    let upgradedAt: number | undefined;
    let pongAt: number | undefined;
    let hasEvent = false;
    let limit: NodeJS.Timeout | undefined;
    const finish = (outcome: ProbeOutcome) => {
      clearTimeout(limit);
      const upgradeMs = (upgradedAt ?? performance.now()) - start;
      const roundTripMs = upgradedAt === undefined || pongAt === undefined ? undefined : pongAt - upgradedAt;
      resolve({ outcome, upgradeMs, roundTripMs });
    };
    const finishIn = (milliseconds: number, outcome: ProbeOutcome) => {
      clearTimeout(limit);
      limit = setTimeout(finish, milliseconds, outcome);
    };
    const late = () => {
      const stalled = agent?.stalled;
      finish(stalled === undefined ? { kind: 'silent' } : { kind: 'failed', error: stalled });
    };
    limit = setTimeout(late, UPGRADE_LIMIT_MS);
    const stopped = () => finish({ kind: 'failed', error: new OwnFault('stopped') });
    signal?.addEventListener('abort', stopped, { once: true });
    if (signal?.aborted) stopped();
    socket.on('unexpected-response', (_request, { statusCode = 0, headers }: IncomingMessage) => {
      upgradedAt = performance.now();
      finish({ kind: 'refused', status: statusCode, headers });
    });
    socket.on('open', () => {
      upgradedAt = performance.now();
      socket.ping();
      finishIn(PONG_LIMIT_MS, { kind: 'open' });
    });
    // An event is proof enough that the token was taken; without one, a refusal may still come.
    socket.on('pong', () => {
      pongAt ??= performance.now();
      finishIn(hasEvent ? 0 : REFUSAL_LIMIT_MS, { kind: 'open' });
    });
    socket.on('message', () => {
      hasEvent = true;
      if (pongAt !== undefined) finish({ kind: 'open' });
    });
    socket.on('error', (error) => finish({ kind: 'failed', error }));
    socket.on('close', (code, reason) => finish({ kind: 'closed', code, reason: reason.toString() }));
  });
  leave(socket);
  agent?.destroy();
  return result;
}

function leave(socket: WebSocket): void {
  if (socket.readyState !== socket.OPEN) {
    socket.terminate();
    return;
  }
  socket.close(CloseCode.NORMAL);
  setTimeout(() => socket.terminate(), CLOSE_LIMIT_MS);
}
