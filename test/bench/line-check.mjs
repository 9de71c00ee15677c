/** Checks what a program prints: that every line is whole, in order, and the one that was sent. */

/** Where the endpoint's label begins in an event line: after `{"received_at":"<27 characters>","endpoint":"`. */
const LABEL_AT = 57;
const LF = 0x0a;

/**
 * @typedef {object} Expectation
 * @property {Buffer[]} messages What is expected, again and again from the start.
 * @property {number} total How many lines will come in all.
 * @property {'event line' | 'message' | 'any text'} lines What a line is: an event line, the bare message, or whatever.
 */

export class LineCheck {
  #expectation;
  /** @type {Buffer[]} */
  #rest = [];
  /** How many lines have come from each endpoint. @type {Map<string, number>} */
  #seen = new Map();
  /** @type {() => void} */
  #finish = () => undefined;
  lines = 0;
  bad = 0;
  /** Resolves when as many lines have come as are expected. */
  complete;

  /** @param {Expectation} expectation */
  constructor(expectation) {
    this.#expectation = expectation;
    this.complete = new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      this.#finish = resolve;
    });
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    const { total } = this.#expectation;
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      if (this.#rest.length > 0) {
        this.#rest.push(chunk.subarray(0, end));
        const line = Buffer.concat(this.#rest);
        this.#rest = [];
        this.#check(line, 0, line.length);
      } else {
        this.#check(chunk, start, end);
      }
      start = end + 1;
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start));
    if (this.lines >= total) this.#finish();
  }

  /** @param {Buffer} bytes @param {number} start @param {number} end */
  #check(bytes, start, end) {
    const { lines, messages } = this.#expectation;
    this.lines++;
    if (lines === 'any text') {
      if (end === start) this.bad++;
      return;
    }
    let label = '';
    let from = start;
    let skipped = 0;
    if (lines === 'event line') {
      const labelEnd = bytes.indexOf(0x22, start + LABEL_AT);
      label = bytes.toString('latin1', start + LABEL_AT, labelEnd);
      // After the label's quote and the comma stands the message without its brace.
      from = labelEnd + 2;
      skipped = 1;
    }
    const count = this.#seen.get(label) ?? 0;
    this.#seen.set(label, count + 1);
    const expected = messages[count % messages.length];
    const isRight =
      expected !== undefined &&
      end - from === expected.length - skipped &&
      bytes.compare(expected, skipped, expected.length, from, end) === 0;
    if (!isRight) this.bad++;
  }
}
