import { OpmasError } from '../errors.js';
import { ByteCache } from '../json/byte-cache.js';
import type { FrameReader } from '../json/frame.js';
import { isObject } from '../json/json-tokens.js';
import { DATA_MEMBERS } from '../json/member-names.js';
import { isProblem, SEVERITIES, type Severity, saysWell, severityOf } from '../severity.js';
import { shortName } from './tally.js';

/** State and counts of one device, or of another value that a row stands for. Times are microseconds since 1970. */
export interface DeviceRow {
  readonly id: string;
  /** The present state: see {@link DeviceTable}. */
  severity: Severity;
  /** Type, message and time of the event that the state comes from. */
  type: string;
  message: string | undefined;
  at: number;
  /** Type, time and severity of the last event of any kind. */
  lastType: string;
  lastAt: number;
  lastSeverity: Severity;
  events: number;
  /** Events of severity `critical` or `error`. */
  errors: number;
  /** Number and time of the event with which the state began. */
  since: number;
  sinceAt: number;
  /** Number of the event that the state comes from. */
  changed: number;
  /** Number of the last event. */
  last: number;
}

/** Returns the name of the row that an event belongs to; `undefined` when the event does not say. */
export type RowKey = (frame: FrameReader, endpoint: string) => string | undefined;

/** Options of a {@link DeviceTable}. */
export interface DeviceTableOptions {
  /** Default: the device, from {@link deviceOf}. */
  keyOf?: RowKey | undefined;
  /** Number of rows that are surely kept; at most twice as many are. Default 10,000. */
  capacity?: number;
  /**
   * Keep the message of the event with which a problem, warning or recovery began, and none of normal events: to read
   * a message takes as long as to read the line. Default `false`.
   */
  keepsFirstMessage?: boolean;
}

const DEVICE_BIT = 1 << DATA_MEMBERS.device_id;
const MAX_ROWS = 10_000;
/** The row of events that name none. */
const NO_NAME = '(none)';
/** The first of these members that is a text is the message; those that only name the state come last. */
const MESSAGE_MEMBERS = [
  'message',
  'error',
  'reason',
  'description',
  'condition',
  'finding',
  'status',
  'state',
];
const RANKS = Object.fromEntries(SEVERITIES.map((severity, rank) => [severity, rank])) as Record<
  Severity,
  number
>;

/**
 * A table with one row for each device, in bounded memory and in constant time for each event.
 *
 * The state of a row is the severity of the last event that says something about it. A problem or warning stays when
 * events of other types follow that are normal or less bad: it ends with a recovery, with an event of its own type, or
 * with a normal event of any type whose `status` or `state` is online, up, ok, healthy or normal. A recovery stays until
 * a warning or problem, or a normal event of its own type.
 *
 * When the table is full, the rows with the mildest state go first, and among them those silent for longest.
 */
export class DeviceTable {
  readonly #keyOf: RowKey | undefined;
  readonly #capacity: number;
  readonly #keepsFirstMessage: boolean;
  readonly #rows = new Map<string, DeviceRow>();
  /** Most rows are found by the bytes of their names: by `device_id`, and by the subject of events that have none. */
  readonly #byId = new ByteCache<DeviceRow>(1024);
  readonly #bySubject = new ByteCache<DeviceRow>(1024);
  #events = 0;
  #sorted: readonly DeviceRow[] | undefined;
  /** Number of rows that were removed because the table was full. A row that comes back begins at 0. */
  leftOut = 0;

  constructor({ keyOf, capacity = MAX_ROWS, keepsFirstMessage = false }: DeviceTableOptions = {}) {
    this.#keyOf = keyOf;
    this.#capacity = capacity;
    this.#keepsFirstMessage = keepsFirstMessage;
  }

  /**
   * Counts an event.
   *
   * @param frame Has just read the event: a JSON object. @param receivedAt `NaN` when it is not known.
   * @returns Its row. The state comes from this event if `changed` equals `last`.
   */
  add(frame: FrameReader, endpoint: string, receivedAt: number, type = frame.type): DeviceRow {
    const members = frame.severityMembers;
    const severity = severityOf(type, members);
    const row =
      this.#keyOf === undefined ? this.#deviceRow(frame) : this.#rowOf(this.#keyOf(frame, endpoint));
    row.last = ++this.#events;
    row.lastType = shortName(type ?? NO_NAME);
    row.lastAt = receivedAt;
    row.lastSeverity = severity;
    row.events++;
    if (isProblem(severity)) row.errors++;
    if (row.events > 1 && !replaces(severity, row, members)) return row;
    const isNew = severity !== row.severity || row.events === 1;
    if (isNew) {
      row.severity = severity;
      row.since = row.last;
      row.sinceAt = receivedAt;
      this.#sorted = undefined;
    }
    row.type = row.lastType;
    row.at = receivedAt;
    row.changed = row.last;
    if (!this.#keepsFirstMessage) row.message = messageOf(frame.value.data);
    else if (isNew) row.message = severity === 'normal' ? undefined : messageOf(frame.value.data);
    return row;
  }

  /**
   * Returns the rows, the worst first; of rows with the same state those that changed last, normal ones by name. So a
   * row moves only when a state changes.
   */
  rows(): readonly DeviceRow[] {
    this.#sorted ??= [...this.#rows.values()].sort((a, b) => {
      if (a.severity !== b.severity) return RANKS[a.severity] - RANKS[b.severity];
      return a.severity === 'normal' ? (a.id < b.id ? -1 : 1) : b.since - a.since;
    });
    return this.#sorted;
  }

  #deviceRow(frame: FrameReader): DeviceRow {
    const isNamed = (frame.dataFound & DEVICE_BIT) !== 0;
    const cache = isNamed ? this.#byId : this.#bySubject;
    const isNoted = frame.dataSpans !== undefined;
    const known = isNoted ? frame.recall(isNamed ? DATA_MEMBERS.device_id : 0, cache) : null;
    if (known !== undefined && known !== null) return known;
    const row = this.#rowOf(deviceOf(frame.deviceMember, frame.subject));
    if (known === undefined) cache.add(row);
    return row;
  }

  #rowOf(name: string | undefined): DeviceRow {
    const id = shortName(name || NO_NAME);
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    if (this.#rows.size >= 2 * this.#capacity) this.#prune();
    const row: DeviceRow = {
      // The name may be a part of a long text, which it would keep alive.
      id: Buffer.from(id, 'utf16le').toString('utf16le'),
      ...{
        severity: 'normal',
        type: '',
        message: undefined,
        at: Number.NaN,
        lastType: '',
        lastAt: Number.NaN,
        lastSeverity: 'normal',
      },
      ...{ events: 0, errors: 0, since: 0, sinceAt: Number.NaN, changed: 0, last: 0 },
    };
    this.#rows.set(row.id, row);
    return row;
  }

  #prune(): void {
    const byWorth = [...this.#rows.values()].sort(
      (a, b) => RANKS[a.severity] - RANKS[b.severity] || b.last - a.last,
    );
    for (const { id } of byWorth.slice(this.#capacity)) this.#rows.delete(id);
    this.#byId.clear();
    this.#bySubject.clear();
    this.leftOut += byWorth.length - this.#capacity;
    this.#sorted = undefined;
  }
}

/** Returns whether the state of a row comes from now on from an event of this severity. */
function replaces(severity: Severity, row: DeviceRow, data: unknown): boolean {
  if (severity === 'recovered' || row.lastType === row.type) return true;
  if (severity === 'normal')
    return row.severity === 'normal' || (row.severity !== 'recovered' && saysWell(data));
  return RANKS[severity] <= RANKS[row.severity];
}

/** Returns the device that an event is about: `data.device_id`, else the last token of the subject. */
export function deviceOf(data: unknown, subject: string | undefined): string | undefined {
  return textOf(memberOf(data, 'device_id')) ?? subject?.slice(subject.lastIndexOf('.') + 1);
}

/**
 * Returns the key for the values of a path: `type`, `subject`, `endpoint`, or a member of the event, `data.site`.
 *
 * @param name The option, for the error. @throws {OpmasError} `USAGE` for anything else.
 */
export function rowKeyOf(path: string, name: string): RowKey {
  if (path === 'type') return (frame) => frame.type;
  if (path === 'subject') return (frame) => frame.subject;
  if (path === 'endpoint') return (_, endpoint) => endpoint;
  const [first, ...names] = path.split('.');
  if (first !== 'data' && first !== 'event') {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(path)} names no value of an event`, {
      hint: 'Use type, subject, endpoint, or the path of a member: data.site.',
    });
  }
  const all = first === 'data' ? ['data', ...names] : names;
  return (frame) => textOf(all.reduce<unknown>(memberOf, frame.value));
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** Returns a value that can be a name; `undefined` for an object, `null` and an empty text. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Finds the text in an event's data that says most to a reader. */
export function messageOf(data: unknown): string | undefined {
  if (!isObject(data)) return undefined;
  for (const name of MESSAGE_MEMBERS) {
    const value = data[name];
    if (typeof value === 'string' && value !== '') return shortName(value);
  }
  return undefined;
}
