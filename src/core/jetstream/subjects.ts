import { OpmasError } from '../errors.js';
import { compileSubjectPattern } from '../filter/subject-pattern.js';
import type { LineKind } from '../recording/format.js';

/** First tokens of the subjects to which lines are published. */
export const DEFAULT_PREFIX = 'opmas-ws';
/** The subjects that the API itself reads: what is published there comes back as an event. */
const API_PREFIX = 'opmas';
/** Longest subject: a server ends the connection on a protocol line above 4096 bytes. */
const MAX_SUBJECT_BYTES = 1024;
/** Characters that NATS forbids in a token, and the one that stands for them. */
const UNFIT = /[\u0000-\u0020\u007f%.*>]/g;

/**
 * Checks the prefix of subjects.
 *
 * @throws {OpmasError} `USAGE` for one that is empty or no subject, or under which the API may read what is published.
 */
export function checkPrefix(prefix: string): void {
  const fail = (why: string) => {
    throw new OpmasError('USAGE', `\`prefix\`: ${JSON.stringify(prefix)} ${why}`, {
      hint: `Name tokens of your own, separated by dots: ${DEFAULT_PREFIX}, site-7.${DEFAULT_PREFIX}.`,
    });
  };
  if (prefix === '') fail('is empty: the API may be fed from such subjects, which would be a loop');
  const tokens = prefix.split('.');
  if (tokens.some((token) => token === '' || /[*>\s\p{Cc}]/u.test(token))) fail('is not a subject of NATS');
  if (tokens[0] === API_PREFIX) fail('is where the API reads its events, which would be a loop');
  if (/^[$_]/.test(prefix)) fail('is reserved by NATS');
  if (Buffer.byteLength(prefix) > MAX_SUBJECT_BYTES / 4) fail('is too long');
}

/**
 * Returns the subject for a line: `PREFIX.event.ENDPOINT.EVENT_SUBJECT`, `PREFIX.connection.ENDPOINT` or
 * `PREFIX.invalid.ENDPOINT`. A subject that would be too long for a server ends after the kind or the endpoint, in `%`.
 */
export function subjectOf(
  prefix: string,
  kind: LineKind,
  endpoint: string | undefined,
  eventSubject: string | undefined,
): string {
  const head = `${prefix}.${kind}`;
  const label = within(`${head}.${encodeToken(endpoint ?? '')}`) ?? `${head}.%`;
  if (kind !== 'event') return label;
  const tokens = (eventSubject ?? '').slice(0, MAX_SUBJECT_BYTES).split('.').map(encodeToken);
  return within(`${label}.${tokens.join('.')}`) ?? `${label}.%`;
}

/** Encodes a text as one token of a subject; the empty text is `%`. */
export function encodeToken(text: string): string {
  if (text === '') return '%';
  return text.replace(
    UNFIT,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function within(subject: string): string | undefined {
  return Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES ? subject : undefined;
}

/** Returns whether the subjects of a stream take all kinds of lines under a prefix. */
export function coversPrefix(patterns: readonly string[], prefix: string): boolean {
  return takenOf(patterns, prefix).every(Boolean);
}

/** Returns whether the subjects of a stream take any kind of lines under a prefix. */
export function takesSome(patterns: readonly string[], prefix: string): boolean {
  return takenOf(patterns, prefix).some(Boolean);
}

function takenOf(patterns: readonly string[], prefix: string): boolean[] {
  // Names that no pattern has, so that only wildcards match them.
  const rest = ['event.%25.%25', 'event.%25.%25.%25.%25.%25', 'connection.%25', 'invalid.%25'];
  const matches = patterns.map((pattern) => compileSubjectPattern(pattern, 'stream'));
  return rest.map((end) => matches.some((match) => match(`${prefix}.${end}`)));
}
