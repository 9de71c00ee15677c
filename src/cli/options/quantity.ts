import { type ContextSpan, OpmasError, parseTimestamp, systemClock } from '../../index.js';
import { DURATION, millisecondsOf } from '../../internal.js';
import { TimeText } from '../render/time-text.js';

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Longest duration; sums of such times stay exact. */
const LONGEST_MS = 100 * 365.25 * DAY_MS;

/**
 * Reads a duration: `500ms`, `30s`, `5m`, `1h`, `2h30m`, `1.5s`. The unit is required.
 *
 * @param name The option, for the error.
 * @returns Milliseconds. @throws {OpmasError} `USAGE` for anything else.
 */
export function parseDuration(text: string, name: string): number {
  if (!new RegExp(`^${DURATION}$`).test(text)) {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a duration`, {
      hint: 'Write a number with a unit: 500ms, 30s, 5m, 1h.',
    });
  }
  const milliseconds = millisecondsOf(text);
  if (milliseconds > LONGEST_MS)
    throw new OpmasError('USAGE', `${name}: a duration must be at most 100 years`);
  return milliseconds;
}

/** Reads a duration, like {@link parseDuration}, of at least 1 ms. */
export function parsePositiveDuration(text: string, name: string): number {
  return positive(parseDuration(text, name), name);
}

/** Reads a size, like {@link parseSize}, of at least 1 byte. */
export function parsePositiveSize(text: string, name: string): number {
  return positive(parseSize(text, name), name);
}

/** @throws {OpmasError} `USAGE` when the value is less than 1. */
function positive(value: number, name: string): number {
  if (value >= 1) return value;
  throw new OpmasError('USAGE', `${name} must not be zero`);
}

/**
 * Reads a size: `64KiB`, `16MiB`, `1.5GB`, `100B`. The unit is required.
 *
 * @param name The option, for the error.
 * @returns Whole bytes. @throws {OpmasError} `USAGE` for anything else.
 */
export function parseSize(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?)(B|kB|KB|MB|GB|KiB|MiB|GiB)$/.exec(text);
  if (match === null) {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a size`, {
      hint: 'Write a number with a unit: 64KiB, 16MiB.',
    });
  }
  const bytes = Math.floor(Number(match[1]) * BYTES[match[2]!]!);
  if (bytes > Number.MAX_SAFE_INTEGER) throw new OpmasError('USAGE', `${name}: the size is too large`);
  return bytes;
}

/** Formats a duration for people: `850ms`, `4.2s`, `3m12s`, `2h05m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)}ms`;
  if (milliseconds < 59_950) return `${Number((milliseconds / 1000).toFixed(1))}s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}

/** Writes a number and what it counts: `1 event`, `2 events`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Formats a size for people: `512 B`, `64 KiB`, `1.5 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes / 1024;
  let unit = 0;
  while (Number(amount.toFixed(1)) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${Number(amount.toFixed(1))} ${units[unit]}`;
}

/**
 * Reads a whole number.
 *
 * @param name The option, for the error. @param least Smallest valid value.
 * @throws {OpmasError} `USAGE` for anything else.
 */
export function parseCount(text: string, name: string, least = 1): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= least)) {
    throw new OpmasError(
      'USAGE',
      `${name}: ${JSON.stringify(text)} is not a whole number of at least ${least}`,
    );
  }
  return count;
}

/** Reads a whole number from 0. */
export function parseWholeNumber(text: string, name: string): number {
  return parseCount(text, name, 0);
}

/**
 * Reads a rate: events a second, decimals allowed.
 *
 * @param name The option, for the error. @throws {OpmasError} `USAGE` for anything else, 0 included.
 */
export function parseRate(text: string, name: string): number {
  const rate = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  if (rate > 0) return rate;
  throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a number above 0`, {
    hint: 'Write digits: 20 or 0.5.',
  });
}

/** Date, time, seconds with their fraction, zone. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?$/;

/**
 * Reads a point of a recording: a time with a zone, a date or a time without one, an offset from the start (`5m`) or
 * from the end (`-15m`).
 *
 * @returns The time as it was typed, or milliseconds from the start, below 0 from the end.
 * @param name The option, for the error. @throws {OpmasError} `USAGE`
 */
export function parseMoment(text: string, name: string): string | number {
  if (TIME.test(text)) {
    timeOf(text, { name, utc: false });
    return text;
  }
  const isFromEnd = text.startsWith('-');
  try {
    const offset = parseDuration(isFromEnd ? text.slice(1) : text, name);
    return isFromEnd ? -offset : offset;
  } catch {
    const today = new TimeText(false).date(systemClock.nowMicros());
    const isClock = /^\d\d:\d\d(:\d\d)?$/.test(text);
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is neither a time nor an offset`, {
      hint: isClock
        ? `A recording may have several days, so write the date, too: ${name} '${today} ${text}'.`
        : 'Write a time, 2026-11-22T21:50:00Z or 2026-11-22 21:50, or an offset: 5m from the start, -5m from the end.',
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
  // A time is missing when clocks go forward, and comes twice when they go back.
  const atZero = Date.parse(`${local.slice(0, 19)}Z`);
  const minutesAt = (ms: number) => new Date(ms).getTimezoneOffset();
  const nearby = new Set([minutesAt(atZero - DAY_MS), minutesAt(atZero + DAY_MS)]);
  const fitting = [...nearby].filter((minutes) => minutesAt(atZero + minutes * MINUTE_MS) === minutes);
  if (fitting.length > 1) throw wrong('comes twice in the local zone');
  const [minutes] = fitting;
  if (minutes === undefined) throw wrong('does not exist in the local zone');
  const fraction = seconds.slice(3);
  return `${new Date(atZero + minutes * MINUTE_MS).toISOString().slice(0, 19)}${fraction}Z`;
}

/** Reads a number of events, or a length of time. @throws {OpmasError} `USAGE` */
export function parseSpan(text: string, name: string): ContextSpan {
  return /^\d+$/.test(text) ? { events: parseCount(text, name) } : { ms: parsePositiveDuration(text, name) };
}
