import { parseObject } from './json/json-tokens.js';

/** The claims of a JWT. Nothing here is verified: only the server can do that. */
export interface TokenClaims {
  /** `sub`: the user that the token stands for. */
  subject: string | undefined;
  /** `exp` in milliseconds since 1970; `undefined` when it is absent or not a time. */
  expiresAtMs: number | undefined;
  /** `nbf` in milliseconds since 1970: the token is not valid before. */
  notBeforeMs: number | undefined;
  /** `iat` in milliseconds since 1970. */
  issuedAtMs: number | undefined;
}

/** A larger number cannot mean seconds: it would be past the year 33,000. */
const MOST_SECONDS = 1e12;
/** The last instant that a `Date` can hold. */
const LAST_INSTANT_MS = 8.64e15;

/** Returns whether a token has the shape of a JWT: three parts, the first of which is a header in JSON. */
export function isJwt(token: string): boolean {
  const [header, ...rest] = token.split('.');
  return rest.length === 2 && decodePart(header) !== undefined;
}

/** Decodes a part of a JWT; `undefined` when it is not a JSON object. */
export function decodePart(part: string | undefined): Record<string, unknown> | undefined {
  return parseObject(Buffer.from(part ?? '', 'base64url').toString());
}

/**
 * Reads the claims of a token; all `undefined` when it is not a JWT. Never throws.
 *
 * @param clockAheadMs How far this machine's clock is ahead of the server's, milliseconds: the times are those that this
 * machine's clock will show. Default 0.
 */
export function readClaims(token: string, clockAheadMs = 0): TokenClaims {
  const { sub, exp, nbf, iat } = decodePart(token.split('.')[1]) ?? {};
  return {
    subject: typeof sub === 'string' || typeof sub === 'number' ? String(sub) : undefined,
    expiresAtMs: instant(exp, clockAheadMs),
    notBeforeMs: instant(nbf, clockAheadMs),
    issuedAtMs: instant(iat, clockAheadMs),
  };
}

/** Times in tokens are whole seconds, and clocks differ: an end that comes so much before is still the planned one. */
const EXPIRY_TOLERANCE_MS = 2000;
/** Sources that renew a token do it so long before its end at most. */
const LONGEST_EARLY_MS = 60_000;

/**
 * Returns whether a token has come to its end as planned.
 *
 * @param isRenewed Its source renews it in time, and so may have ended it before: in its last minute, or in the last
 * quarter of a shorter life. The source alone knows when a token without times ends.
 */
export function hasExpired(
  token: string,
  {
    nowMs,
    clockAheadMs,
    isRenewed = false,
  }: { nowMs: number; clockAheadMs?: number | undefined; isRenewed?: boolean | undefined },
): boolean {
  const { expiresAtMs, issuedAtMs = Number.NEGATIVE_INFINITY } = readClaims(token, clockAheadMs);
  if (expiresAtMs === undefined) return isRenewed;
  const earlyMs = isRenewed ? Math.min(LONGEST_EARLY_MS, (expiresAtMs - issuedAtMs) / 4) : 0;
  return nowMs >= expiresAtMs - Math.max(EXPIRY_TOLERANCE_MS, earlyMs);
}

/** Reads a JWT's `NumericDate` (seconds) as milliseconds. Some servers write milliseconds; their size shows it. */
function instant(value: unknown, clockAheadMs: number): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const milliseconds = (Math.abs(value) > MOST_SECONDS ? value : value * 1000) + clockAheadMs;
  return Math.abs(milliseconds) <= LAST_INSTANT_MS ? milliseconds : undefined;
}
