import { escapeUnsafe } from '../../index.js';
import type { Colours } from './colours.js';
import type { FieldOrder } from './fields.js';
import { Remembered } from './remembered.js';
import { fitting, widthOf } from './text-width.js';
import { meaningOfType, type TypeMeaning } from './tone.js';

/** Wide enough for `devices`. */
const ENDPOINT_WIDTH = 7;
/** Wide enough for `rule.execution_complete`. */
const TYPE_WIDTH = 23;
export const SUBJECT_WIDTH = 24;
/** Longer ones are cut, but for `--full`. */
export const MAX_WORD_LENGTH = 200;

/** A word that comes again and again, made ready to show. */
export interface Word {
  text: string;
  width: number;
  /** Blanks that fill its column. */
  padding: string;
}

/** A type, and what it means. */
export interface TypeWord extends Word {
  meaning: TypeMeaning;
  order: FieldOrder | undefined;
}

/** An endpoint's label. */
export interface EndpointWord extends Word {
  /** With its colour, its padding and a blank on each side; and the columns of all that. */
  painted: string;
  columns: number;
}

/** Types, subjects and endpoints, made ready once. */
export class Words {
  readonly #full: boolean;
  readonly #colours: Colours;
  readonly #types = new Remembered<TypeWord>();
  readonly #subjects = new Remembered<Word>();
  readonly #endpoints = new Remembered<EndpointWord>();

  /** @param full Whether long ones are left as they are. */
  constructor(full: boolean, colours: Colours) {
    this.#full = full;
    this.#colours = colours;
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

  /** Safe, and not longer than anybody reads. */
  safe(text: string): string {
    if (this.#full || text.length <= MAX_WORD_LENGTH) return escapeUnsafe(text);
    return `${escapeUnsafe(fitting(text, MAX_WORD_LENGTH))}…`;
  }

  #newType(type: string): TypeWord {
    const word = { ...this.#wordOf(type, TYPE_WIDTH), meaning: meaningOfType(type), order: undefined };
    return this.#types.set(type, word);
  }

  #newEndpoint(label: string): EndpointWord {
    const word = this.#wordOf(label, ENDPOINT_WIDTH);
    const { open, close } = this.#colours.endpoint;
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
