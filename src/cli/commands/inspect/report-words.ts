import { closeMeaning, type InspectedRecording } from '../../../index.js';
import { formatDuration } from '../../options/quantity.js';
import type { TimeText } from '../../render/time-text.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY_MICROS = 24 * 3600 * 1_000_000;

/** Says what is in the recording, and from when to when: `OPMAS events, 27 Nov 22:00 to 28 Nov 06:00 UTC`. */
export function titleOf({ first, last }: InspectedRecording, times: TimeText): string {
  if (first === undefined || last === undefined) return 'OPMAS events';
  const isLong = last - first > 180 * DAY_MICROS;
  const [from, to] = [first, last].map((micros) => {
    const [year, month, day] = times.date(micros).split('-');
    return `${Number(day)} ${MONTHS[Number(month) - 1]}${isLong ? ` ${year}` : ''}`;
  });
  const isShort = last - first < 60_000_000;
  const [start, end] = [first, last].map((micros) => times.clock(micros).slice(0, isShort ? 8 : 5));
  return `OPMAS events, ${from} ${start} to ${from === to ? '' : `${to} `}${end} ${times.zone}`;
}

/** Formats a time of the recording: `06:00:00`, with the date in front when the recording is longer than a day. */
export function timeText(at: number, { first, last }: InspectedRecording, times: TimeText): string {
  const clock = times.clock(at).slice(0, 8);
  const isShort = first === undefined || last === undefined || last - first < DAY_MICROS;
  return isShort || Number.isNaN(at) ? clock : `${times.date(at).slice(5)} ${clock}`;
}

/** Formats the time between two times; nothing when one is not known, or when they go back. */
export function lengthText(from: number, to: number): string {
  return to >= from ? formatDuration((to - from) / 1000) : '';
}

/** Names the files that were read. */
export function filesText(files: readonly string[]): string {
  const names = files.map((file) => (file === '-' ? 'stdin' : file));
  return names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;
}

/** Names the endpoints of an outage: `all endpoints` when there are no others. */
export function endpointsText(endpoints: readonly string[], { coverage }: InspectedRecording): string {
  const all = Object.keys(coverage).length;
  if (all > 1 && endpoints.length >= all) return 'all endpoints';
  return endpoints.length <= 4 ? endpoints.join(', ') : `${endpoints.length} endpoints`;
}

/** Formats a close code with its meaning. */
export function closeText(code: string | number): string {
  return `${code} ${closeMeaning(Number(code))}`;
}

/** Formats the name of a refusal, which is an HTTP status or an error text. */
export function refusalText(name: string): string {
  return /^\d{3}$/.test(name) ? `HTTP ${name}` : name;
}

/** Formats why an endpoint was given up: `token refused (HTTP 401)`. */
export function giveUpText(failure: string, reason: string): string {
  if (failure === '' || reason === '' || reason.startsWith(failure)) return reason === '' ? failure : reason;
  return `${failure} (${reason})`;
}

/** Formats a number as `1,234,567` in every locale. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Formats a rate, with decimals below ten. */
export function rateText(rate: number): string {
  return rate >= 10 ? number(Math.round(rate)) : String(Number(rate.toPrecision(2)));
}
