import { escapeUnsafe } from '../../index.js';
import { type Colors, meaningOfType, type TypeMeaning } from './severity.js';
import { fitting, widthOf } from './visual-line.js';

/** Wide enough for `devices`. */
const ENDPOINT_WIDTH = 7;
/** Wide enough for `rule.execution_complete`. */
const TYPE_WIDTH = 23;
const SUBJECT_WIDTH = 24;
/** Longer words are cut, except with `--full`. */
const MAX_WORD_LENGTH = 200;

const MAX_CACHED = 4096;
const MAX_CACHED_KEY_LENGTH = 128;

/** Keeps values by a text. It drops all of them when it is full, because a server may send ever new texts. */
export class BoundedCache<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  /** Returns the value. */
  set<Exact extends Value>(key: string, value: Exact): Exact {
    if (key.length > MAX_CACHED_KEY_LENGTH) return value;
    if (this.#values.size >= MAX_CACHED) this.#values.clear();
    this.#values.set(key, value);
    return value;
  }
}

/** A word for the head of a line: safe to print, and measured. */
export interface Word {
  text: string;
  /** In columns. */
  width: number;
  /** The spaces that fill its column. */
  padding: string;
}

/** A type and its meaning. */
export interface TypeWord extends Word {
  meaning: TypeMeaning;
}

/** An endpoint's label. */
export interface EndpointWord extends Word {
  /** The label with its color and its padding, between two spaces. */
  painted: string;
  /** The columns that `painted` takes. */
  columns: number;
}

/** Prepares types, subjects and endpoints for printing, each once, because the same ones come again and again. */
export class Words {
  readonly #full: boolean;
  readonly #colors: Colors;
  readonly #types = new BoundedCache<TypeWord>();
  readonly #subjects = new BoundedCache<Word>();
  readonly #endpoints = new BoundedCache<EndpointWord>();

  /** @param full Keeps long words whole. */
  constructor(full: boolean, colors: Colors) {
    this.#full = full;
    this.#colors = colors;
  }

  type(text: string): TypeWord {
    return this.#types.get(text) ?? this.#newType(text);
  }

  subject(text: string): Word {
    return this.#subjects.get(text) ?? this.#subjects.set(text, this.#wordOf(text, SUBJECT_WIDTH));
  }

  endpoint(label: string): EndpointWord {
    return this.#endpoints.get(label) ?? this.#newEndpoint(label);
  }

  /** Escapes control characters and cuts a text that is longer than anybody reads. */
  safe(text: string): string {
    if (this.#full || text.length <= MAX_WORD_LENGTH) return escapeUnsafe(text);
    return `${escapeUnsafe(fitting(text, MAX_WORD_LENGTH))}…`;
  }

  #newType(type: string): TypeWord {
    return this.#types.set(type, { ...this.#wordOf(type, TYPE_WIDTH), meaning: meaningOfType(type) });
  }

  #newEndpoint(label: string): EndpointWord {
    const word = this.#wordOf(label, ENDPOINT_WIDTH);
    const { open, close } = this.#colors.endpoint;
    return this.#endpoints.set(label, {
      ...word,
      painted: ` ${open}${word.text}${close}${word.padding} `,
      columns: word.width + word.padding.length + 2,
    });
  }

  #wordOf(text: string, column: number): Word {
    const safe = this.safe(text);
    const width = widthOf(safe);
    return { text: safe, width, padding: ' '.repeat(Math.max(0, column - width)) };
  }
}
