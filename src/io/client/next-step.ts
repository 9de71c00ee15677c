import { CloseCode } from '../../core/close-code.js';
import { type ConnectionEnd, consequenceOf } from '../../core/retry.js';
import { trustHint } from '../http/system-error.js';
import type { GivenUp } from './give-up.js';

const DOCTOR = '`opmas-ws doctor` says more';

/** What to do after an endpoint was given up, by how it ended last. */
export function nextStep(end: ConnectionEnd, given: Pick<GivenUp, 'culprit' | 'hasCa'>): string {
  if (end.kind !== 'refused' && end.hint !== undefined) return end.hint;
  switch (end.kind) {
    case 'failed':
      return afterFailure(end.failure, given.hasCa);
    case 'closed':
      return afterClose(end);
    case 'refused':
      return afterRefusal(end.status);
  }
}

function afterFailure(failure: 'certificate' | 'garbled' | 'unknown host' | 'unreachable', hasCa: boolean) {
  switch (failure) {
    case 'certificate':
      return trustHint(hasCa);
    case 'unknown host':
      return `Check the name in the URL; ${DOCTOR}; --retries forever keeps trying.`;
    case 'garbled':
      return `Check the URL (wrong port, ws:// for wss://, wrong path?); ${DOCTOR}.`;
    case 'unreachable':
      return `Is the server running? ${DOCTOR}; --retries forever keeps trying.`;
  }
}

function afterClose(end: Extract<ConnectionEnd, { kind: 'closed' }>): string {
  switch (true) {
    case end.code === CloseCode.POLICY_VIOLATION:
      return `The server may have had too much from here: try a longer --heartbeat; ${DOCTOR}.`;
    case end.code === CloseCode.MESSAGE_TOO_BIG:
      return `The server ended it, so --max-message changes nothing: its log may say why; ${DOCTOR}.`;
    case consequenceOf(end) === 'stop':
      return `The connection opened, so the URL is right; the server, or a proxy on the way, ends it for a fault. \`opmas-ws doctor\` may say more.`;
    default:
      return `The server opens the connection and ends it: its log may say why; --retries forever keeps trying.`;
  }
}

function afterRefusal(status: number): string {
  switch (true) {
    case status >= 300 && status < 400:
      return `Redirects are never followed with a token; if the target is your server, give its URL with --url.`;
    case status === 429:
      return `The server has had too many requests from here; --retries forever keeps trying.`;
    case status === 408 || status >= 500:
      return `The server, or what stands before it, fails; ${DOCTOR}; --retries forever keeps trying.`;
    default:
      return `Check the URL (wrong port, wrong prefix, wrong endpoint?); ${DOCTOR}.`;
  }
}
