/**
 * Times of the recording format: RFC 3339, UTC, always six decimals: `2026-11-22T21:50:00.123456Z`.
 * In code a time is a whole number of microseconds since 1970 (exact in a double until the year 2255).
 */

/** Characters of a timestamp. */
export const TIMESTAMP_LENGTH = 27;

/** Formats microseconds since 1970 as a timestamp of {@link TIMESTAMP_LENGTH} characters. */
export function formatTimestamp(micros: number): string {
  const millis = Math.floor(micros / 1000);
  const rest = micros - millis * 1000;
  return `${new Date(millis).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

const rfc3339 = /^(\d{4}-\d\d-(\d\d)[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * Parses an RFC 3339 time with up to nine decimals; digits below a microsecond are cut off.
 *
 * @returns Microseconds since 1970, or `undefined` for anything else, including times without a zone.
 */
export function parseTimestamp(text: string): number | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, written = '', day = '', fraction = '', zone = ''] = match;
  const seconds = written.replace(/[t ]/, 'T');
  // Date would read February 30 as March 2.
  if (day > '28' && new Date(`${seconds.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day))
    return undefined;
  const millis = Date.parse(seconds + zone.toUpperCase());
  if (Number.isNaN(millis)) return undefined;
  return millis * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}
