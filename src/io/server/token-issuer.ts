import { randomBytes } from 'node:crypto';
import { OpmasError } from '../../core/errors.js';

/** How the server checks tokens; see {@link TokenIssuer}. */
export type AuthMode = 'jwt' | 'secret' | 'none';

const AUTH_MODES: readonly string[] = ['jwt', 'secret', 'none'] satisfies AuthMode[];

/** What a good token says. */
export interface TokenClaims {
  /** Who it is for; `anonymous` when it does not say or no token is asked for. */
  subject: string;
  /** When it expires: milliseconds since 1970; `undefined` = never. */
  expiresAtMs: number | undefined;
}

/** HS256 keys are at least as long as the hash (RFC 7518, section 3.2). jose itself takes shorter ones. */
const SHORTEST_SECRET_BYTES = 32;
const REFRESH_TOKEN_LIFE_MS = 7 * 24 * 3_600_000;

/** @throws {OpmasError} `USAGE` when that is no mode, or its secret is missing or too short. */
export function checkAuth(mode: AuthMode, secret: string | undefined): void {
  if (!AUTH_MODES.includes(mode)) throw new OpmasError('USAGE', `an auth mode is ${AUTH_MODES.join(', ')}`);
  if (mode === 'secret' && Buffer.byteLength(secret ?? '') < SHORTEST_SECRET_BYTES) {
    throw new OpmasError(
      'USAGE',
      secret ? 'the secret is too short for HS256' : 'auth mode "secret" needs a secret',
      {
        hint: `Set OPMAS_MOCK_SECRET to the server's signing secret, at least ${SHORTEST_SECRET_BYTES} bytes.`,
      },
    );
  }
}

/**
 * Gives out tokens and checks them.
 *
 * - `jwt`: any well-formed JWT that has not expired is good, whoever signed it.
 * - `secret`: HS256 with the secret; nothing else.
 * - `none`: everything is good, no token too.
 */
export class TokenIssuer {
  readonly #mode: AuthMode;
  readonly #key: Uint8Array;

  /** @throws {OpmasError} `USAGE` when the mode is `secret` and the secret is missing or too short. */
  constructor(mode: AuthMode, secret: string | undefined) {
    checkAuth(mode, secret);
    this.#mode = mode;
    this.#key = mode === 'secret' ? Buffer.from(secret!) : randomBytes(SHORTEST_SECRET_BYTES);
  }

  /** A good access token that lives so many milliseconds from now on; at least until the next whole second. */
  accessToken(subject: string, lifeMs: number): Promise<string> {
    return this.#sign({ sub: subject, type: 'access' }, lifeMs);
  }

  /** A token that {@link checkRefreshToken} takes. */
  refreshToken(subject: string): Promise<string> {
    return this.#sign({ sub: subject, type: 'refresh' }, REFRESH_TOKEN_LIFE_MS);
  }

  /** What the token says, or `undefined` when it is missing or no good. */
  async check(token: string | undefined): Promise<TokenClaims | undefined> {
    const claims = token === undefined ? undefined : await this.#verify(token);
    if (claims !== undefined) return claims;
    return this.#mode === 'none' ? { subject: 'anonymous', expiresAtMs: undefined } : undefined;
  }

  /** The same for a refresh token, which says so in its `type`. */
  async checkRefreshToken(token: string): Promise<TokenClaims | undefined> {
    return this.#verify(token, 'refresh');
  }

  async #sign(claims: { sub: string; type: string }, lifeMs: number): Promise<string> {
    const { SignJWT } = await import('jose');
    const now = Date.now();
    return await new SignJWT({ ...claims, jti: randomBytes(8).toString('hex') })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt(Math.floor(now / 1000))
      .setExpirationTime(Math.ceil((now + lifeMs) / 1000))
      .sign(this.#key);
  }

  async #verify(token: string, type?: string): Promise<TokenClaims | undefined> {
    const { decodeJwt, decodeProtectedHeader, jwtVerify } = await import('jose');
    try {
      const payload =
        this.#mode === 'secret'
          ? (await jwtVerify(token, this.#key, { algorithms: ['HS256'] })).payload
          : decodeJwt(token);
      const { alg } = decodeProtectedHeader(token);
      const { exp, sub } = payload;
      // A token without a signature is no token, even for a server that does not check it.
      if (typeof alg !== 'string' || !/^[\w-]+\.[\w-]*\.[\w-]+$/.test(token)) return undefined;
      if (type !== undefined && payload.type !== type) return undefined;
      if (exp !== undefined && !(Number.isFinite(exp) && exp * 1000 > Date.now())) return undefined;
      return {
        subject: typeof sub === 'string' ? sub : 'anonymous',
        expiresAtMs: exp === undefined ? undefined : exp * 1000,
      };
    } catch {
      return undefined;
    }
  }
}
