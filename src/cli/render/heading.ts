import { endpointOfType, escapeUnsafe } from '../../index.js';
import { deviceOf } from '../../internal.js';
import { cutStart, headOf, padded } from './visual-line.js';

/** The text of a line in front of the fields. */
interface Heading {
  /** The device, agent or other thing that the event is about. */
  device: string;
  /** True if the subject, or the endpoint, says more than device and type do. */
  needsSubject: boolean;
  needsEndpoint: boolean;
}

/** The part of a path that all endpoints share. */
const COMMON_PATH = '/api/v1/ws/';

/** A type in parts: `device.status_update` has the family `device` and the kind `status_update`. */
export interface TypeParts {
  readonly family: string;
  readonly kind: string;
  readonly endpoint: string | undefined;
}

function partsOf(type: string): TypeParts {
  return {
    family: type.slice(0, Math.max(0, type.indexOf('.'))),
    kind: type.slice(type.lastIndexOf('.') + 1),
    endpoint: endpointOfType(type),
  };
}

/** Finds out what an event is about, and which of type, subject and endpoint repeat each other. */
export function headingOf(
  type: TypeParts,
  subject: string | undefined,
  data: unknown,
  endpoint: string | undefined,
): Heading {
  const named = deviceOf(data, subject);
  const device = named === undefined || repeats(named, type.kind) ? '' : named;
  const isOwnEndpoint =
    endpoint === undefined ||
    type.endpoint === endpoint ||
    (device !== '' && endpoint.endsWith(`/${device}`));
  return {
    device: device === '' && !isOwnEndpoint ? shortEndpoint(endpoint) : device,
    needsSubject: subject !== undefined && !isCovered(subject, device, type, data),
    needsEndpoint: device !== '' && !isOwnEndpoint,
  };
}

/** Returns `device/42` for the endpoint `/api/v1/ws/device/42`. */
export function shortEndpoint(endpoint: string): string {
  return endpoint.startsWith(COMMON_PATH) ? endpoint.slice(COMMON_PATH.length) : endpoint;
}

/** Returns whether the last word of a subject repeats that of a type: `alerts` and `alert`, `status` and `status_update`. */
function repeats(word: string, kind: string): boolean {
  return word === '' || word === kind || word === `${kind}s` || kind.startsWith(`${word}_`);
}

/** Returns whether a subject such as `opmas.devices.ap-7` says nothing more than the other parts of the line. */
function isCovered(subject: string, device: string, { family, kind }: TypeParts, data: unknown): boolean {
  const last = subject.lastIndexOf('.');
  const before = subject.lastIndexOf('.', last - 1);
  const isPlain = before < 0 || (subject.indexOf('.') === before && subject.startsWith(family, before + 1));
  if (!isPlain) return false;
  const word = subject.slice(last + 1);
  if (word === device || repeats(word, kind)) return true;
  return typeof data === 'object' && data !== null && Object.values(data).includes(word);
}

/** On a narrower terminal the times have no milliseconds, and the fields follow the type without columns. */
const WIDTH_FOR_MILLISECONDS = 72;
const WIDTH_FOR_COLUMNS = 110;
/** Few types are longer, and a wider column would push the message to the right. */
const TYPE_COLUMNS = 'device.status_update'.length;
/** Longer words are cut, except with `--full`. */
const MAX_WORD = 200;
/** Limit for words whose printed form is kept: most words come again with other events. */
const MAX_KEPT_WORDS = 1000;

/** A name in its column. */
export interface Cell {
  readonly text: string;
  /** False if a part of the name was cut off. */
  readonly isWhole: boolean;
}

/** The columns in front of the fields, for a terminal of a certain width. */
export class Columns {
  /** Characters of a clock that are shown. */
  readonly clock: number;
  readonly #full: boolean;
  readonly #deviceWidth: number;
  readonly #typeWidth: number;
  readonly #devices = new Map<string, Cell>();
  readonly #types = new Map<string, TypeParts & { text: string }>();

  /** @param full Nothing is cut. */
  constructor(width: number, full: boolean) {
    this.#full = full;
    this.clock = width < WIDTH_FOR_MILLISECONDS ? '21:50:00'.length : '21:50:00.123'.length;
    this.#deviceWidth = width < WIDTH_FOR_MILLISECONDS ? 12 : width < WIDTH_FOR_COLUMNS ? 14 : 16;
    this.#typeWidth = width < WIDTH_FOR_COLUMNS ? 0 : TYPE_COLUMNS;
  }

  /** Fits a name into its column. */
  device(name: string): Cell {
    return this.#devices.get(name) ?? this.#keep(this.#devices, name, this.#cellOf(this.safe(name || '-')));
  }

  /** Returns a type in parts, with its text. */
  type(type: string): TypeParts & { text: string } {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    const text = padded(this.safe(type), this.#typeWidth);
    return this.#keep(this.#types, type, { ...partsOf(type), text });
  }

  /** Escapes control characters and cuts a text that is too long to be read. */
  safe(text: string): string {
    return this.#full || text.length <= MAX_WORD
      ? escapeUnsafe(text)
      : `${escapeUnsafe(headOf(text, MAX_WORD))}…`;
  }

  #cellOf(safe: string): Cell {
    const text = this.#full ? safe : cutStart(safe, this.#deviceWidth);
    return { text: padded(text, this.#deviceWidth), isWhole: text === safe };
  }

  #keep<Value>(kept: Map<string, Value>, word: string, value: Value): Value {
    if (word.length <= MAX_WORD && kept.size < MAX_KEPT_WORDS) kept.set(word, value);
    return value;
  }
}
