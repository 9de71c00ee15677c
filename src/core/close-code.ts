/**
 * The close codes of WebSocket connections: their numbers, their meaning in words, and which of them may be sent.
 * Sources: RFC 6455 section 7.4 and the IANA registry of close codes; section "Error Handling" of the API's document.
 */

/** Close codes by name. */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  /** Reported by a side that got a close frame without a code; no close frame may carry it. */
  WITHOUT_CODE: 1005,
  /** Reported by a side that got no close frame; no close frame may carry it. */
  ABNORMAL: 1006,
  INVALID_TEXT: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  EXTENSION_MISSING: 1010,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
  /** The API's own. */
  AUTHENTICATION_FAILED: 4001,
} as const;

/** Most names say what the code means. */
const meanings: Readonly<Record<number, string>> = {
  ...Object.fromEntries(
    Object.entries(CloseCode).map(([name, code]) => [code, name.toLowerCase().replaceAll('_', ' ')]),
  ),
  [CloseCode.NORMAL]: 'normal closure',
  [CloseCode.GOING_AWAY]: 'server going away',
  [CloseCode.WITHOUT_CODE]: 'no close code',
  [CloseCode.ABNORMAL]: 'abnormal closure',
};

/** Says in a few words what a close code means; `private code` for 3000 to 4999, `unknown code` for the rest. */
export function closeMeaning(code: number): string {
  return meanings[code] ?? (isPrivate(code) ? 'private code' : 'unknown code');
}

/** Returns whether a close frame may carry a code: a registered one except 1005 and 1006, or one of 3000 to 4999. */
export function canBeSent(code: number): boolean {
  if (code === CloseCode.WITHOUT_CODE || code === CloseCode.ABNORMAL) return false;
  return meanings[code] !== undefined || (Number.isInteger(code) && isPrivate(code));
}

/** Returns whether a server may close a connection with that code to reject the token. The last two stand for HTTP's 401 and 403. */
export function mayReject(code: number): boolean {
  return ([CloseCode.POLICY_VIOLATION, CloseCode.AUTHENTICATION_FAILED, 4401, 4403] as number[]).includes(
    code,
  );
}

function isPrivate(code: number): boolean {
  return code >= 3000 && code <= 4999;
}

/** A close frame has 125 bytes at most (RFC 6455, section 5.5), and the code takes two. */
const LONGEST_REASON_BYTES = 123;

/** Cuts a close reason between characters to the length that a close frame can carry. */
export function fitCloseReason(reason: string): string {
  // Every character takes a byte at least, so the loop runs a few hundred times at most, however long the text.
  const characters = [...reason.slice(0, LONGEST_REASON_BYTES)];
  if (reason.length > LONGEST_REASON_BYTES && /^[\ud800-\udbff]$/.test(characters.at(-1) ?? ''))
    characters.pop();
  while (Buffer.byteLength(characters.join('')) > LONGEST_REASON_BYTES) characters.pop();
  return characters.join('');
}
