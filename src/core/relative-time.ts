const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ['year', 365.25 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** Formats a time relative to now: `in 42 minutes`, `3 days ago`, `now`. Both are milliseconds since 1970. */
export function relativeTime(time: number, now: number): string {
  const seconds = Math.round(Math.abs(time - now) / 1000);
  const [name, length] = UNITS.find(([, unit]) => seconds >= unit) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  if (count === 0) return 'now';
  const amount = `${count} ${name}${count === 1 ? '' : 's'}`;
  return time > now ? `in ${amount}` : `${amount} ago`;
}
