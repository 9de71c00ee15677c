/**
 * Times of the recording format: RFC 3339, UTC, six decimals always: `2026-11-22T21:50:00.123456Z`.
 * In code a time is a whole number of microseconds since 1970 (safe in a double until the year 2255).
 */

/** Characters of a timestamp. */
export const TIMESTAMP_LENGTH = 27;

/** Writes microseconds since 1970 as a timestamp of {@link TIMESTAMP_LENGTH} characters. */
export function formatTimestamp(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000);
  const rest = microseconds - milliseconds * 1000;
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

const rfc3339 = /^(\d{4}-\d\d-(\d\d)[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * Reads an RFC 3339 time with any number of decimals up to nine (what is below a microsecond is cut off).
 *
 * @returns Microseconds since 1970, or `undefined` for anything else, times without a zone included.
 */
export function parseTimestamp(text: string): number | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, written = '', day = '', fraction = '', zone = ''] = match;
  const seconds = written.replace(/[t ]/, 'T');
  // Date would read the 30th of February as the 2nd of March.
  if (day > '28' && new Date(`${seconds.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day))
    return undefined;
  const milliseconds = Date.parse(seconds + zone.toUpperCase());
  if (Number.isNaN(milliseconds)) return undefined;
  return milliseconds * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}
