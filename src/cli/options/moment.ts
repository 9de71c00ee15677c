import { OpmasError, parseTimestamp } from '../../index.js';
import { parseCount, parseDuration, parsePositiveDuration } from './quantity.js';

/** A point of a recording as it was typed: a time that was checked, or milliseconds from the start, below 0 from the end. */
export type Moment = string | number;

/** A number of events, or milliseconds. */
export type Span = { events: number } | { ms: number };

/** Date, time, seconds with their fraction, zone. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?$/;
const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 24 * 60 * MS_PER_MINUTE;

/**
 * Reads a point of a recording: a time with a zone, a date or a time without one, an offset from the start (`5m`) or
 * from the end (`-15m`).
 *
 * @param name The option, for the error. @throws {OpmasError} `USAGE`
 */
export function parseMoment(text: string, name: string): Moment {
  if (TIME.test(text)) {
    timeOf(text, { name, utc: false });
    return text;
  }
  const isFromEnd = text.startsWith('-');
  try {
    const offset = parseDuration(isFromEnd ? text.slice(1) : text, name);
    return isFromEnd ? -offset : offset;
  } catch {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is neither a time nor an offset`, {
      hint: 'Write a time, 2026-11-22T21:50:00Z or 2026-11-22 21:50, or an offset: 5m from the start, -5m from the end.',
    });
  }
}

/**
 * Gives a time the zone that it lacks.
 *
 * @param utc Take UTC, not the local zone. @throws {OpmasError} `USAGE` when there is no such time, or it comes twice.
 */
export function timeOf(text: string, { name, utc }: { name: string; utc: boolean }): string {
  const [, date = '', time = '00:00', seconds = ':00', zone] = TIME.exec(text) ?? [];
  const local = `${date}T${time}${seconds}`;
  const withZone = `${local}${zone ?? 'Z'}`;
  const wrong = (why: string) =>
    new OpmasError('USAGE', `${name}: ${text} ${why}`, {
      hint: 'Write a time with its zone: 2026-11-22T21:50:00Z.',
    });
  if (parseTimestamp(withZone) === undefined) throw wrong('is no time');
  if (zone !== undefined || utc) return withZone;
  // Where clocks are put forward a time is missing, and where they are put back it comes twice.
  const atZero = Date.parse(`${local.slice(0, 19)}Z`);
  const minutesAt = (ms: number) => new Date(ms).getTimezoneOffset();
  const nearby = new Set([minutesAt(atZero - MS_PER_DAY), minutesAt(atZero + MS_PER_DAY)]);
  const fitting = [...nearby].filter((minutes) => minutesAt(atZero + minutes * MS_PER_MINUTE) === minutes);
  if (fitting.length > 1) throw wrong('comes twice in the local zone');
  const [minutes] = fitting;
  if (minutes === undefined) throw wrong('does not exist in the local zone');
  const fraction = seconds.slice(3);
  return `${new Date(atZero + minutes * MS_PER_MINUTE).toISOString().slice(0, 19)}${fraction}Z`;
}

/** Reads a number of events, or a length of time. @throws {OpmasError} `USAGE` */
export function parseSpan(text: string, name: string): Span {
  return /^\d+$/.test(text) ? { events: parseCount(text, name) } : { ms: parsePositiveDuration(text, name) };
}
