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
  /**
   * By the first byte of its label: the label with the quote and the comma behind it, and how many lines have come.
   *
   * @type {({ label: number[], count: number } | undefined)[]}
   */
  #endpoints = new Array(256).fill(undefined);
  /** Lines that tell no endpoint. */
  #bare = { label: [], count: 0 };
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

  /**
   * @param {Buffer} bytes
   * @param {number} start
   * @param {number} end
   */
  #check(bytes, start, end) {
    const { lines, messages } = this.#expectation;
    this.lines++;
    if (lines === 'any text') {
      if (end === start) this.bad++;
      return;
    }
    const isEvent = lines === 'event line';
    const endpoint = isEvent ? this.#endpointAt(bytes, start + LABEL_AT) : this.#bare;
    const expected = messages[endpoint.count++ % messages.length];
    // After the label stands the message without its brace.
    const from = isEvent ? start + LABEL_AT + endpoint.label.length : start;
    const skipped = isEvent ? 1 : 0;
    const isRight =
      expected !== undefined &&
      end - from === expected.length - skipped &&
      bytes.compare(expected, skipped, expected.length, from, end) === 0;
    if (!isRight) this.bad++;
  }

  /**
   * The endpoint whose label begins at `at`; the first byte tells them apart. Quick, because whoever is measured waits
   * for us.
   *
   * @param {Buffer} bytes
   * @param {number} at
   */
  #endpointAt(bytes, at) {
    const first = bytes[at] ?? 0;
    const known = this.#endpoints[first];
    if (known?.label.every((byte, i) => bytes[at + i] === byte)) return known;
    const label = [...bytes.subarray(at, bytes.indexOf(0x22, at) + 2)];
    const endpoint = { label, count: 0 };
    this.#endpoints[first] = endpoint;
    return endpoint;
  }
}
