import { CloseCode } from '../close-code.js';

/** Version of the recording format; written in each `connecting` line. */
export const FORMAT_VERSION = 2;

/**
 * Content of a lifecycle line. Times are timestamps, waits are milliseconds. `continued` marks lines at the start of a
 * further file of one recording: they repeat the state of that moment, nothing has happened.
 */
export type ConnectionEvent =
  | {
      state: 'connecting';
      attempt: number;
      url: string;
      recorder: string;
      format: number;
      continued?: true;
    }
  | { state: 'refused'; status?: number; error?: string; retry_in_ms?: number }
  | { state: 'open'; gap_since?: string; continued?: true }
  /** `lost`: events may be missing from then on. */
  | { state: 'closed'; code: number; reason: string; lost?: true; retry_in_ms?: number }
  /** No further attempt comes. `failure` is a kind of `core/failure/failure.ts`, `gap_since` as in `open`. */
  | { state: 'given_up'; failure: string; reason: string; gap_since?: string; continued?: true }
  /** The recorder ended while the endpoint was not open. */
  | { state: 'stopped'; gap_since?: string }
  | { state: 'dropped'; count: number; from: string; to: string };

type State = ConnectionEvent['state'];
type MembersOf<Name extends State> = Required<Omit<Extract<ConnectionEvent, { state: Name }>, 'state'>>;

const isText = (value: unknown) => typeof value === 'string';
// JSON has numbers that are too large for JavaScript.
const isNumber = Number.isFinite;
const isTrue = (value: unknown) => value === true;

/** Members of each state: with the neutral value of one that is always there, or the check of one that may be missing. */
const MEMBERS: {
  readonly [Name in State]: {
    readonly [Member in keyof MembersOf<Name>]: MembersOf<Name>[Member] | ((value: unknown) => boolean);
  };
} = {
  connecting: { attempt: 1, url: '', recorder: '', format: FORMAT_VERSION, continued: isTrue },
  refused: { status: isNumber, error: isText, retry_in_ms: isNumber },
  open: { gap_since: isText, continued: isTrue },
  closed: { code: CloseCode.WITHOUT_CODE, reason: '', lost: isTrue, retry_in_ms: isNumber },
  given_up: { failure: '', reason: '', gap_since: isText, continued: isTrue },
  stopped: { gap_since: isText },
  dropped: { count: 0, from: '', to: '' },
};

/**
 * Reads the `connection` member of a line. Others may have rewritten the line, so each member is checked: a member that
 * is missing or of another type is left out or gets a neutral value. An unknown state stays as it is, because newer
 * versions may write others.
 *
 * @returns `undefined` when the value has no state.
 */
export function readConnectionEvent(value: unknown): ConnectionEvent | undefined {
  const given = (value ?? {}) as Record<string, unknown>;
  const { state } = given;
  if (!isText(state)) return undefined;
  if (!isKnownState(given as ConnectionEvent)) return given as ConnectionEvent;
  const event: Record<string, unknown> = { state };
  for (const [name, rule] of Object.entries(MEMBERS[state as State])) {
    const member = given[name];
    const isRight = typeof rule === 'function' ? rule : typeof rule === 'number' ? isNumber : isText;
    if (isRight(member)) event[name] = member;
    else if (typeof rule !== 'function') event[name] = rule;
  }
  return event as ConnectionEvent;
}

/** Returns whether this version writes such states. */
export function isKnownState({ state }: ConnectionEvent): boolean {
  return Object.hasOwn(MEMBERS, state);
}
