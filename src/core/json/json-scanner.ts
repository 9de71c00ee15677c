import { endOfScalar, endOfSpace, endOfString, JsonFindings, NO_BYTE, WRONG } from './json-tokens.js';
import {
  DATA,
  DATA_NAMES,
  EVENT_NAMES,
  FIRST_OF_DATA,
  OTHER,
  OURS,
  STARTS_DATA_MEMBER,
  SUBJECT,
  TYPE,
} from './member-names.js';

/** The kind of a text. Only an `object` can be an event. */
export type JsonVerdict = 'object' | 'not JSON' | 'not a JSON object';

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** For each open level: 1 if the level around it is an object. Grows with the deepest text. */
let levels = new Uint8Array(1024);

/**
 * Checks that `bytes[start..end)` are a JSON object, and finds the values of its `type` and `subject`, without
 * building anything. Everything that reads events passes through here, so it allocates nothing. It takes time linear
 * in the length, for any depth of nesting.
 *
 * It agrees with `JSON.parse` of the decoded text in every case: of two members of one name the last counts. Bytes
 * that are not UTF-8 decode to U+FFFD, which JSON allows inside strings and nowhere else, so they need no check of
 * their own.
 *
 * @param isRest The text is the rest of an object, from the comma or the brace after one of its members.
 */
export function scanJson(
  bytes: Buffer,
  start: number,
  end: number,
  isRest: boolean,
  findings: JsonFindings,
): JsonVerdict {
  findings.hasLineBreaks = false;
  findings.hasNonAscii = false;
  findings.typeStart = -1;
  findings.subjectStart = -1;
  findings.hasOurNames = false;
  findings.depth = 1;
  findings.dataFound = 0;
  levels[0] = 0;
  let depth = 0;
  let inObject = false;
  let isObject = false;
  let inData = false;
  let at = start;
  if (isRest) {
    at = endOfSpace(bytes, at, end, findings);
    if (at === end) return 'not JSON';
    if (bytes[at] === CLOSING_BRACE) {
      return endOfSpace(bytes, at + 1, end, findings) === end ? 'object' : 'not JSON';
    }
    if (bytes[at++] !== COMMA) return 'not JSON';
    depth = 1;
    inObject = true;
    isObject = true;
  }
  // One turn for each value: its name, the value itself, and the comma or the closing brackets after it.
  for (;;) {
    let member = OTHER;
    if (inObject) {
      if (at < end && bytes[at] !== QUOTE) at = endOfSpace(bytes, at, end, findings);
      if (at === end || bytes[at] !== QUOTE) return 'not JSON';
      const text = at + 1;
      findings.hasEscapes = false;
      at = endOfString(bytes, text, end, findings);
      if (at === WRONG) return 'not JSON';
      if (depth === 1) {
        member = EVENT_NAMES.find(bytes, text, at - 1, findings.hasEscapes);
        inData = member === DATA && findings.dataSpans !== undefined;
        if (member === TYPE) findings.typeStart = -1;
        else if (member === SUBJECT) findings.subjectStart = -1;
        else if (member === OURS) findings.hasOurNames = true;
        // A later `data` replaces an earlier one.
        else if (inData) findings.dataFound = 0;
      } else if (inData && depth === 2 && (STARTS_DATA_MEMBER[bytes[text]!] === 1 || findings.hasEscapes)) {
        member = DATA_NAMES.find(bytes, text, at - 1, findings.hasEscapes);
      }
      if (at < end && bytes[at] !== COLON) at = endOfSpace(bytes, at, end, findings);
      if (at === end || bytes[at] !== COLON) return 'not JSON';
      at++;
    }
    let byte = at < end ? (bytes[at] as number) : NO_BYTE;
    if (byte <= SPACE) {
      at = endOfSpace(bytes, at, end, findings);
      byte = at < end ? (bytes[at] as number) : NO_BYTE;
    }
    if (member >= FIRST_OF_DATA) {
      findings.dataFound |= 1 << member;
      findings.dataSpans![2 * member] = at;
    }
    if (byte === QUOTE) {
      const text = at + 1;
      at = endOfString(bytes, text, end, findings);
      if (at === WRONG) return 'not JSON';
      if (member !== OTHER) keepSpan(findings, member, text, at - 1);
    } else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) {
      if (depth === levels.length) addLevels();
      levels[depth++] = inObject ? 1 : 0;
      inObject = byte === OPENING_BRACE;
      if (depth === 1) isObject = inObject;
      else if (depth > findings.depth) findings.depth = depth;
      at = endOfSpace(bytes, at + 1, end, findings);
      if (at === end) return 'not JSON';
      if (bytes[at] !== closing(inObject)) continue;
    } else {
      at = endOfScalar(bytes, at, end, findings);
      if (at === WRONG) return 'not JSON';
    }
    for (;;) {
      byte = at < end ? (bytes[at] as number) : NO_BYTE;
      if (byte <= SPACE) {
        at = endOfSpace(bytes, at, end, findings);
        byte = at < end ? (bytes[at] as number) : NO_BYTE;
      }
      if (depth === 0) return at !== end ? 'not JSON' : isObject ? 'object' : 'not a JSON object';
      at++;
      if (byte === COMMA) break;
      if (byte !== closing(inObject)) return 'not JSON';
      inObject = levels[--depth] === 1;
    }
  }
}

function closing(inObject: boolean): number {
  return inObject ? CLOSING_BRACE : CLOSING_BRACKET;
}

function addLevels(): void {
  const more = new Uint8Array(2 * levels.length);
  more.set(levels);
  levels = more;
}

function keepSpan(findings: JsonFindings, member: number, start: number, end: number): void {
  if (member === TYPE) {
    findings.typeStart = start;
    findings.typeEnd = end;
  } else if (member === SUBJECT) {
    findings.subjectStart = start;
    findings.subjectEnd = end;
  } else if (member >= FIRST_OF_DATA) {
    findings.dataSpans![2 * member + 1] = end;
  }
}

/**
 * Finds out whether bytes would be JSON but for `NaN` and `Infinity`, which Python's `json` writes for numbers.
 *
 * @returns `NaN is not JSON`; `undefined` when something else is wrong.
 */
export function numberThatJsonLacks(bytes: Buffer): string | undefined {
  const findings = new JsonFindings();
  findings.takesForeignNumbers = true;
  const verdict = scanJson(bytes, 0, bytes.length, false, findings);
  const { foreignNumber } = findings;
  return verdict === 'not JSON' || foreignNumber === undefined ? undefined : `${foreignNumber} is not JSON`;
}
