/** The claims of a JWT. Nothing here is verified: only the server can do that. */
export interface TokenClaims {
  /** `sub`: the user that the token stands for. */
  subject: string | undefined;
  /** `exp` in milliseconds since 1970; `undefined` when it is absent or not a time. */
  expiresAtMs: number | undefined;
  /** `iat` in milliseconds since 1970. */
  issuedAtMs: number | undefined;
}

const NO_CLAIMS: TokenClaims = { subject: undefined, expiresAtMs: undefined, issuedAtMs: undefined };

/** A larger number cannot mean seconds: it would be past the year 33,000. */
const MOST_SECONDS = 1e12;
/** The last instant that a `Date` can hold. */
const LAST_INSTANT_MS = 8.64e15;

/** Says whether a token has the shape of a JWT: three parts, the first of which is a header in JSON. */
export function isJwt(token: string): boolean {
  const [header = '', ...rest] = token.split('.');
  if (rest.length !== 2) return false;
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}

/** Reads the claims of a token; all `undefined` when it is not a JWT. Never throws. */
export function readClaims(token: string): TokenClaims {
  const payload = token.split('.')[1];
  if (payload === undefined) return NO_CLAIMS;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null) return NO_CLAIMS;
    const { sub, exp, iat } = claims as Record<string, unknown>;
    return {
      subject: typeof sub === 'string' || typeof sub === 'number' ? String(sub) : undefined,
      expiresAtMs: instant(exp),
      issuedAtMs: instant(iat),
    };
  } catch {
    return NO_CLAIMS;
  }
}

/** Reads a JWT's `NumericDate` (seconds) as milliseconds. Some servers write milliseconds; their size shows it. */
function instant(value: unknown): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const milliseconds = Math.abs(value) > MOST_SECONDS ? value : value * 1000;
  return Math.abs(milliseconds) <= LAST_INSTANT_MS ? milliseconds : undefined;
}
