import { CloseCode, canBeSent } from '../close-code.js';
import { OpmasError } from '../errors.js';
import { DURATION, millisecondsOf } from '../text.js';

/** An open stream, as far as faults act on it. */
export interface FaultTarget {
  close(code: number): void;
  /** Cuts the connection without a close frame. */
  destroy(): void;
  /** Sends bytes as they are. */
  send(frames: Buffer, events: number): void;
}

/** The state that lasting faults put a server into. */
export interface ServerCondition {
  /** New clients are refused with this HTTP status. */
  refusalStatus?: number;
  /** The server sends nothing, not even pongs. New clients are let in, and get everything when the stall ends. */
  stalled?: boolean;
}

/** The number after a kind's colon. A kind without this takes no number. */
interface NumberRule {
  isValid(number: number): boolean;
  /** Completes the sentence "fault X has no …". */
  description: string;
}

/** A kind hits each open stream at one moment, or puts the server into a condition that lasts. */
type KindDefinition = {
  /** Shown in `--help` and in error messages. */
  example: string;
  number?: NumberRule;
} & (
  | { strike(target: FaultTarget, number: number): void; condition?: never }
  | { condition(number: number): ServerCondition; strike?: never }
);

/** All reserved bits and a reserved opcode: every client must fail the connection (1002). */
const INVALID_FRAME = Buffer.from([0xff, 0x04, 0xde, 0xad, 0xbe, 0xef]);

/** The name of a fault. */
export type FaultKind = 'close' | 'drop' | 'refuse' | 'stall' | 'garbage';

/** Parser, player, `--help` and error messages read this table. */
export const FAULT_KINDS: Readonly<Record<FaultKind, KindDefinition>> = {
  close: {
    example: 'close:1011@30s',
    number: {
      // 1005 stands for a close frame without a code.
      isValid: (code) => canBeSent(code) || code === CloseCode.WITHOUT_CODE,
      description: 'close code that a server may send (1000 to 1014, 3000 to 4999; for 1006 use drop)',
    },
    strike: (target, code) => target.close(code),
  },
  drop: { example: 'drop@10s..60s', strike: (target) => target.destroy() },
  refuse: {
    example: 'refuse:503@5s+20s',
    number: {
      isValid: (status) => status >= 300 && status <= 599,
      description: 'HTTP status between 300 and 599',
    },
    condition: (status) => ({ refusalStatus: status }),
  },
  stall: { example: 'stall@15s+10s', condition: () => ({ stalled: true }) },
  garbage: { example: 'garbage@20s', strike: (target) => target.send(INVALID_FRAME, 0) },
};

/** One fault with its times, in milliseconds from the first client on. */
export interface Fault {
  readonly kind: FaultKind;
  /** The close code of `close`, the HTTP status of `refuse`; absent for the others. */
  readonly number?: number | undefined;
  /** When it strikes. If `toMs` is later: at some time in between, then again and again after such waits. */
  readonly fromMs: number;
  readonly toMs: number;
  /** How long a lasting fault lasts; 0 for a fault that strikes the streams that are open at one moment. */
  readonly lastsMs: number;
  /** The text that was parsed, for messages. */
  readonly text: string;
}

/** One example for each kind: `close:1011@30s, drop@10s..60s, …`. */
export const FAULT_EXAMPLES = Object.values(FAULT_KINDS)
  .map(({ example }) => example)
  .join(', ');

const SYNTAX = new RegExp(
  String.raw`^([a-z]+)(?::(\d+))?@(${DURATION})(?:\.\.(${DURATION}))?(?:\+(${DURATION}))?$`,
);

/**
 * Parses a fault: `close:1011@30s`, `drop@10s..60s`, `refuse:503@5s+20s`, `stall@15s+10s`, `garbage@20s`.
 * The time after `@` counts from the first client. A range (`..`) repeats the fault, each time after a wait in that
 * range. The time after `+` is how long it lasts (`refuse` and `stall` only).
 *
 * @throws {OpmasError} `USAGE` for anything else.
 */
export function parseFault(text: string): Fault {
  const match = SYNTAX.exec(text);
  if (match === null) throw faultError(text, 'cannot be read');
  const [, word = '', digits, from = '', to, duration] = match;
  if (!Object.hasOwn(FAULT_KINDS, word)) throw faultError(text, 'is of an unknown kind');
  const kind = word as FaultKind;
  const { number: rule, condition } = FAULT_KINDS[kind];
  const number = digits === undefined ? undefined : Number(digits);
  if (rule === undefined && number !== undefined) throw faultError(text, `takes no number: ${kind}@…`);
  if (rule !== undefined && (number === undefined || !rule.isValid(number))) {
    throw faultError(text, `has no ${rule.description}`);
  }
  const isLasting = condition !== undefined;
  if (isLasting && duration === undefined)
    throw faultError(text, 'does not say how long it lasts, such as +10s');
  if (!isLasting && duration !== undefined) throw faultError(text, `cannot last: ${kind} happens at once`);
  const fromMs = millisecondsOf(from);
  const toMs = to === undefined ? fromMs : millisecondsOf(to);
  if (to !== undefined && toMs <= fromMs)
    throw faultError(text, 'has a range whose end is not after its start');
  const lastsMs = duration === undefined ? 0 : millisecondsOf(duration);
  return { kind, number, fromMs, toMs, lastsMs, text };
}

function faultError(text: string, problem: string): OpmasError {
  return new OpmasError('USAGE', `fault ${JSON.stringify(text)} ${problem}`, {
    hint: `Write ${FAULT_EXAMPLES} (.. repeats, + is how long).`,
  });
}
