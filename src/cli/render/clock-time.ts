import { formatTimestamp, parseTimestamp } from '../../index.js';

const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

const UNKNOWN = '--:--:--.---';
const MINUTE_LENGTH = '2026-11-22T21:50'.length;
const MILLISECONDS_END = '2026-11-22T21:50:00.123'.length;

/** Writes `received_at` as clock time: `21:50:00.123`; `--:--:--.---` when it is missing or cannot be read. */
export type ClockTime = (receivedAt: string | undefined) => string;

/** @param utc Writes times in UTC; otherwise in the machine's time zone. */
export function createClockTime(utc: boolean): ClockTime {
  // Consecutive events mostly share a minute, and a new Date for each line would cost more than the line.
  let minute = '';
  let clockMinute = '';
  return (receivedAt) => {
    const text = receivedAt === undefined ? undefined : normalized(receivedAt);
    if (text === undefined) return UNKNOWN;
    if (minute === '' || !text.startsWith(minute)) {
      minute = text.slice(0, MINUTE_LENGTH);
      clockMinute = utc ? minute.slice(11) : localMinute(minute);
    }
    return clockMinute + text.slice(MINUTE_LENGTH, MILLISECONDS_END);
  };
}

/** Brings a timestamp into the shape that recordings have; `undefined` when it cannot be read. */
function normalized(receivedAt: string): string | undefined {
  if (stamp.test(receivedAt)) return receivedAt;
  const microseconds = parseTimestamp(receivedAt);
  if (microseconds === undefined) return undefined;
  const text = formatTimestamp(microseconds);
  return stamp.test(text) ? text : undefined;
}

/** Converts hours and minutes only: zones differ from UTC by whole minutes, so the seconds stay the same. */
function localMinute(minute: string): string {
  const date = new Date(`${minute}:00Z`);
  if (Number.isNaN(date.getTime())) return minute.slice(11);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
