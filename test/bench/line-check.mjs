/** A check of a program's output: every line must be whole, in order, and equal to what was sent. */

/** Offset of the endpoint's label in an event line: after `{"received_at":"<27 characters>","endpoint":"`. */
const LABEL_AT = 57;
const LF = 0x0a;

/**
 * @typedef {object} Expectation
 * @property {Buffer[]} messages Expected messages, repeated from the start.
 * @property {number} total Number of lines in all.
 * @property {'event line' | 'message' | 'any text'} lines Kind of the lines.
 */

export class LineCheck {
  #expectation;
  /** @type {Buffer[]} */
  #rest = [];
  /**
   * Endpoints by the first byte of their labels: the label with the quote and comma after it, and the lines so far.
   *
   * @type {({ label: number[], count: number } | undefined)[]}
   */
  #endpoints = new Array(256).fill(undefined);
  /** Lines that do not name an endpoint. */
  #bare = { label: [], count: 0 };
  /** @type {() => void} */
  #finish = () => undefined;
  lines = 0;
  bad = 0;
  /** Resolves when all expected lines have come. */
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
    // The message without its opening brace follows the label.
    const from = isEvent ? start + LABEL_AT + endpoint.label.length : start;
    const skipped = isEvent ? 1 : 0;
    const isRight =
      expected !== undefined &&
      end - from === expected.length - skipped &&
      bytes.compare(expected, skipped, expected.length, from, end) === 0;
    if (!isRight) this.bad++;
  }

  /**
   * Returns the endpoint whose label begins at `at`. The first byte tells labels apart: this must be quick, because the
   * measured program waits for its reader.
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
