import { isAt, textOf } from './json-tokens.js';

/** Members of an event that the scan looks for. Names of `OURS` stand in our lines beside those of the event. */
export const OTHER = 0;
export const TYPE = 1;
export const SUBJECT = 2;
export const OURS = 3;
export const DATA = 4;

/** Members of an event's `data` that tell its device and its severity, with their numbers in the scan. */
export const DATA_MEMBERS = {
  device_id: 5,
  severity: 6,
  level: 7,
  status: 8,
  state: 9,
  success: 10,
  previous_status: 11,
  previous_state: 12,
} as const;

/** Smaller numbers are those of the event itself. */
export const FIRST_OF_DATA = 5;
/** Size of a table of all their spans. */
export const DATA_SPANS = 2 * 13;

/** Names that the scan looks for in one object. */
export class MemberNames {
  /** By length, and by a bit of the first letter that tells apart names of one length. */
  readonly #byShape: ({ number: number; bytes: Buffer } | undefined)[] = [];

  constructor(names: Readonly<Record<string, number>>) {
    for (const [name, number] of Object.entries(names)) {
      this.#byShape[shapeOf(name.length, name.charCodeAt(0))] = { number, bytes: Buffer.from(name) };
    }
  }

  /** Returns the number of the name `bytes[start..end)`; 0 for all others. */
  find(bytes: Buffer, start: number, end: number, hasEscapes: boolean): number {
    if (hasEscapes) {
      const name = Buffer.from(textOf(bytes, start, end));
      return this.find(name, 0, name.length, false);
    }
    const known = this.#byShape[shapeOf(end - start, bytes[start] as number)];
    return known !== undefined && isAt(known.bytes, bytes, start) ? known.number : OTHER;
  }
}

function shapeOf(length: number, first: number): number {
  return length * 2 + ((first >> 4) & 1);
}

export const EVENT_NAMES = new MemberNames({
  type: TYPE,
  subject: SUBJECT,
  data: DATA,
  ...{ received_at: OURS, endpoint: OURS, event: OURS },
});
export const DATA_NAMES = new MemberNames(DATA_MEMBERS);

/** Marks the first letters of these names: most members of events begin with another one. */
export const STARTS_DATA_MEMBER = new Uint8Array(256);
for (const name of Object.keys(DATA_MEMBERS)) STARTS_DATA_MEMBER[name.charCodeAt(0)] = 1;
