/** What a client reports when a close frame had no code; no close frame may carry it (RFC 6455, section 7.4.1). */
export const CLOSE_WITHOUT_CODE = 1005;

/** Codes below 3000 that a close frame may carry: RFC 6455 section 7.4.1 and the IANA registry. */
const REGISTERED = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

/** Whether a close frame may carry that code. */
export function canBeSent(code: number): boolean {
  return REGISTERED.has(code) || (Number.isInteger(code) && code >= 3000 && code <= 4999);
}
