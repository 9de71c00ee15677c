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
  | { state: 'closed'; code: number; reason: string; retry_in_ms?: number }
  /** No further attempt comes. `failure` is a kind of `core/failure/failure.ts`, `gap_since` as in `open`. */
  | { state: 'given_up'; failure: string; reason: string; gap_since?: string; continued?: true }
  | { state: 'dropped'; count: number; from: string; to: string };

/**
 * Reads the `connection` member of a line. Others may have rewritten the line, so each member is checked: a member that
 * is missing or of another type is left out or gets a neutral value. An unknown state stays as it is, because newer
 * versions may write others.
 *
 * @returns `undefined` when the value has no state.
 */
export function readConnectionEvent(value: unknown): ConnectionEvent | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const members = value as Record<string, unknown>;
  const { state } = members;
  const continued = members.continued === true ? { continued: true as const } : {};
  switch (state) {
    case 'connecting':
      return {
        state,
        attempt: numberOr(members.attempt, 1),
        url: textOr(members.url, ''),
        recorder: textOr(members.recorder, ''),
        format: numberOr(members.format, FORMAT_VERSION),
        ...continued,
      };
    case 'refused':
      return {
        state,
        ...memberIf('status', members.status, isNumber),
        ...memberIf('error', members.error, isText),
        ...memberIf('retry_in_ms', members.retry_in_ms, isNumber),
      };
    case 'open':
      return { state, ...memberIf('gap_since', members.gap_since, isText), ...continued };
    case 'closed':
      return {
        state,
        code: numberOr(members.code, CloseCode.WITHOUT_CODE),
        reason: textOr(members.reason, ''),
        ...memberIf('retry_in_ms', members.retry_in_ms, isNumber),
      };
    case 'given_up':
      return {
        state,
        failure: textOr(members.failure, ''),
        reason: textOr(members.reason, ''),
        ...memberIf('gap_since', members.gap_since, isText),
        ...continued,
      };
    case 'dropped':
      return {
        state,
        count: numberOr(members.count, 0),
        from: textOr(members.from, ''),
        to: textOr(members.to, ''),
      };
    default:
      return isText(state) ? (value as ConnectionEvent) : undefined;
  }
}

const KNOWN_STATES: Readonly<Record<ConnectionEvent['state'], true>> = {
  connecting: true,
  refused: true,
  open: true,
  closed: true,
  given_up: true,
  dropped: true,
};

/** Returns whether this version writes such states. */
export function isKnownState({ state }: ConnectionEvent): boolean {
  return Object.hasOwn(KNOWN_STATES, state);
}

const isText = (value: unknown): value is string => typeof value === 'string';
// JSON has numbers that are too large for JavaScript.
const isNumber = (value: unknown): value is number => Number.isFinite(value);

function textOr(value: unknown, fallback: string): string {
  return isText(value) ? value : fallback;
}

function numberOr(value: unknown, fallback: number): number {
  return isNumber(value) ? value : fallback;
}

/** Returns an object with that member if the value has the type, else an empty object. */
function memberIf<Name extends string, Value>(
  name: Name,
  value: unknown,
  is: (value: unknown) => value is Value,
): { [member in Name]?: Value } {
  return is(value) ? ({ [name]: value } as { [member in Name]?: Value }) : {};
}
