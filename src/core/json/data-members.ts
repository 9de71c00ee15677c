import { isAt, textOf } from './json-tokens.js';

/** Members of an event's `data` that tell its device and its severity, with their numbers in the scan. */
export const DATA_MEMBERS = {
  device_id: 4,
  severity: 5,
  level: 6,
  status: 7,
  state: 8,
  success: 9,
  previous_status: 10,
  previous_state: 11,
} as const;

/** Smaller numbers are the scan's own. */
export const FIRST_OF_DATA = 4;
/** Size of a table of all numbers. */
export const DATA_NUMBERS = 12;

const OTHER = 0;
const LONGEST = 'previous_status'.length;
const DATA = Buffer.from('data');

/** By length, and by a bit of the first letter that tells apart names of one length. */
const BY_SHAPE: ({ number: number; bytes: Buffer } | undefined)[] = [];
for (const [name, number] of Object.entries(DATA_MEMBERS)) {
  BY_SHAPE[shapeOf(name.length, name.charCodeAt(0))] = { number, bytes: Buffer.from(name) };
}

/** Marks the first letters of the names: most members of events begin with another one. */
export const STARTS_DATA_MEMBER = new Uint8Array(256);
for (const name of Object.keys(DATA_MEMBERS)) STARTS_DATA_MEMBER[name.charCodeAt(0)] = 1;

function shapeOf(length: number, first: number): number {
  return length * 2 + ((first >> 4) & 1);
}

/** Tells whether the name `bytes[start..end)` is `data`. */
export function isData(bytes: Buffer, start: number, end: number, hasEscapes: boolean): boolean {
  if (hasEscapes) return textOf(bytes, start, end) === 'data';
  return end - start === DATA.length && isAt(DATA, bytes, start);
}

/** Returns the number of the member of `data` whose name is `bytes[start..end)`; 0 for all others. */
export function memberOfData(bytes: Buffer, start: number, end: number, hasEscapes: boolean): number {
  if (hasEscapes) {
    const name = Buffer.from(textOf(bytes, start, end));
    return memberOfData(name, 0, name.length, false);
  }
  if (end - start > LONGEST) return OTHER;
  const known = BY_SHAPE[shapeOf(end - start, bytes[start] as number)];
  return known !== undefined && isAt(known.bytes, bytes, start) ? known.number : OTHER;
}
