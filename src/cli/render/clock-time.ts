import { formatTimestamp, parseTimestamp } from '../../index.js';

const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

const UNKNOWN = '--:--:--.---';
const MINUTE_LENGTH = '2026-11-22T21:50'.length;
const SECONDS_START = MINUTE_LENGTH;
const MILLISECONDS_END = '2026-11-22T21:50:00.123'.length;

/** Writes `received_at` as the time of a clock: `21:50:00.123`. */
export type ClockTime = (receivedAt: string | undefined) => string;

/** @param utc Whether in UTC or in the machine's zone. */
export function createClockTime(utc: boolean): ClockTime {
  // A stream stays in one minute for long, and a Date for each line would cost more than the line.
  let minute = '';
  let clockMinute = '';
  return (receivedAt) => {
    const text = receivedAt === undefined ? undefined : normalised(receivedAt);
    if (text === undefined) return UNKNOWN;
    if (!text.startsWith(minute) || minute === '') {
      minute = text.slice(0, MINUTE_LENGTH);
      clockMinute = utc ? minute.slice(11) : localMinute(minute);
    }
    return clockMinute + text.slice(SECONDS_START, MILLISECONDS_END);
  };
}

/** A timestamp of our own shape; others that can be read become one. */
function normalised(receivedAt: string): string | undefined {
  if (stamp.test(receivedAt)) return receivedAt;
  const microseconds = parseTimestamp(receivedAt);
  if (microseconds === undefined) return undefined;
  const text = formatTimestamp(microseconds);
  return stamp.test(text) ? text : undefined;
}

/** Zones differ from UTC by whole minutes, so seconds and what is below are the same everywhere. */
function localMinute(minute: string): string {
  const date = new Date(`${minute}:00Z`);
  if (Number.isNaN(date.getTime())) return minute.slice(11);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
