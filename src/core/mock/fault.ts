import { CloseCode, canBeSent } from '../close-code.js';
import { OpmasError } from '../errors.js';

/** What a server does wrong on purpose. */
export type FaultAction =
  /** Closes all clients with that code. */
  | { kind: 'close'; code: number }
  /** Cuts all clients off without a word: they see 1006. */
  | { kind: 'drop' }
  /** Sends a frame that is none to all clients. */
  | { kind: 'garbage' }
  /** Refuses new clients with that HTTP status for a while. */
  | { kind: 'refuse'; status: number }
  /** Sends nothing for a while, pongs included; new clients are let in. All that was held back follows then. */
  | { kind: 'stall' };

/** One fault with its times, in milliseconds from the first client on. */
export interface Fault {
  readonly action: FaultAction;
  /**
   * It comes at `from`; when `to` is later, somewhere in between, and again after as long a wait, for ever.
   * What happens at once hits the streams that are open then, which may be none.
   */
  readonly from: number;
  readonly to: number;
  /** How long `refuse` and `stall` last; 0 for the others. */
  readonly lasts: number;
  /** As it was written, for messages. */
  readonly text: string;
}

const EXAMPLES =
  'Write close:1011@30s, drop@10s..60s, refuse:503@5s+20s, stall@15s+10s or garbage@20s (.. repeats, + is how long).';

const DURATION = String.raw`(?:\d+(?:\.\d+)?(?:ms|s|m|h))+`;
const pattern = new RegExp(
  String.raw`^([a-z]+)(?::(\d+))?@(${DURATION})(?:\.\.(${DURATION}))?(?:\+(${DURATION}))?$`,
);

/**
 * Reads a fault: `close:1011@30s`, `drop@10s..60s`, `refuse:503@5s+20s`, `stall@15s+10s`, `garbage@20s`.
 * After `@` stands when, counted from the first client; `..` makes it come again and again, each time after a wait
 * in that range; after `+` stands how long it lasts (`refuse` and `stall` only).
 *
 * @throws {OpmasError} `USAGE` for anything else.
 */
export function parseFault(text: string): Fault {
  const match = pattern.exec(text);
  if (match === null) throw unreadable(text, 'cannot be read');
  const [, kind = '', number, earliest = '', latest, duration] = match;
  const action = parseAction(text, kind, number);
  const lasting = action.kind === 'refuse' || action.kind === 'stall';
  if (lasting && duration === undefined)
    throw unreadable(text, 'does not say how long it lasts, such as +10s');
  if (!lasting && duration !== undefined) throw unreadable(text, `cannot last: ${kind} happens at once`);
  const from = milliseconds(earliest);
  const to = latest === undefined ? from : milliseconds(latest);
  if (latest !== undefined && !(to > from)) throw unreadable(text, 'has a range that does not grow');
  return { action, from, to, lasts: duration === undefined ? 0 : milliseconds(duration), text };
}

/** Whether the fault comes again and again. */
export function repeats(fault: Fault): boolean {
  return fault.to > fault.from;
}

function parseAction(text: string, kind: string, number: string | undefined): FaultAction {
  const value = Number(number);
  switch (kind) {
    case 'close':
      if (number === undefined || !isSendable(value)) {
        throw unreadable(
          text,
          'has no close code that a server may send (1000 to 1014, 3000 to 4999; for 1006 use drop)',
        );
      }
      return { kind, code: value };
    case 'refuse':
      if (number === undefined || value < 300 || value > 599) {
        throw unreadable(text, 'has no HTTP status between 300 and 599');
      }
      return { kind, status: value };
    case 'drop':
    case 'garbage':
    case 'stall':
      if (number !== undefined) throw unreadable(text, `takes no number: ${kind}@…`);
      return { kind };
    default:
      throw unreadable(text, 'names no fault that this server knows');
  }
}

/** 1005 stands for a close frame without a code. */
function isSendable(code: number): boolean {
  return canBeSent(code) || code === CloseCode.WITHOUT_CODE;
}

function milliseconds(duration: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  let total = 0;
  for (const [, amount, unit] of duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * units[unit!]!;
  }
  return total;
}

function unreadable(text: string, what: string): OpmasError {
  return new OpmasError('USAGE', `fault ${JSON.stringify(text)} ${what}`, { hint: EXAMPLES });
}
