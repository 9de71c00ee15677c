import { createHmac, randomBytes } from 'node:crypto';
import { decodePart } from '../../core/claims.js';
import { wallClockMs } from '../clock.js';
import type { AuthMode, ServingOptions } from './serving-options.js';

/**
 * The result of a check: the problem in a few words, for the log, or the claims of a valid token. Its subject is
 * `anonymous` when it has none, or when no token is required; its end, in milliseconds since 1970, is `undefined` = never.
 */
export type TokenCheck =
  | { problem: string }
  | { claims: { subject: string; expiresAtMs: number | undefined } };

const DEFAULT_LIFE_MS = 3_600_000;
const REFRESH_TOKEN_LIFE_MS = 7 * 24 * 3_600_000;
const HEADER = encode({ alg: 'HS256', typ: 'JWT' });

/**
 * Issues tokens and checks them. Issued tokens are signed with a random key. The secret only verifies: a server that many can reach must not make
 * tokens that the real server accepts.
 */
export class TokenIssuer {
  /** Life of the access tokens that login and refresh issue. */
  readonly lifeMs: number;
  readonly #mode: AuthMode;
  readonly #ownKey = randomBytes(32).toString('hex');
  readonly #keys: readonly string[];

  constructor({ auth = 'jwt', secret, tokenLifeMs = DEFAULT_LIFE_MS }: ServingOptions) {
    this.lifeMs = tokenLifeMs;
    this.#mode = auth;
    this.#keys = [this.#ownKey, ...(secret ? [secret] : [])];
  }

  /** Issues an access token that lives so long, rounded up to the next whole second. */
  accessToken(subject: string, lifeMs: number = this.lifeMs): string {
    return this.#issue(subject, 'access', lifeMs);
  }

  /** Issues a token that {@link checkRefreshToken} accepts, for 7 days. */
  refreshToken(subject: string): string {
    return this.#issue(subject, 'refresh', REFRESH_TOKEN_LIFE_MS);
  }

  /** Checks an access token. */
  check(token: string | undefined): TokenCheck {
    const result = token ? this.#verify(token) : { problem: 'no token' };
    if ('claims' in result || this.#mode !== 'none') return result;
    return { claims: { subject: 'anonymous', expiresAtMs: undefined } };
  }

  /** Checks a refresh token, which says so in its claim `type`. */
  checkRefreshToken(token: string): TokenCheck {
    return this.#verify(token, 'refresh');
  }

  #issue(subject: string, type: string, lifeMs: number): string {
    const nowMs = wallClockMs();
    const claims = {
      sub: subject,
      type,
      jti: randomBytes(8).toString('hex'),
      iat: Math.floor(nowMs / 1000),
      exp: Math.ceil((nowMs + lifeMs) / 1000),
    };
    const content = `${HEADER}.${encode(claims)}`;
    return `${content}.${signature(content, this.#ownKey)}`;
  }

  #verify(token: string, type?: 'refresh'): TokenCheck {
    // An empty signature means no signature, which even a server that does not verify it refuses.
    const [, content, header, payload, signed] = /^(([\w-]+)\.([\w-]+))\.([\w-]+)$/.exec(token) ?? [];
    const claims = decodePart(payload);
    const algorithm = decodePart(header)?.alg;
    if (claims === undefined || typeof algorithm !== 'string') return { problem: 'the token is not a JWT' };
    if (this.#mode === 'secret') {
      const isSigned = this.#keys.some((key) => signature(content!, key) === signed);
      if (algorithm !== 'HS256' || !isSigned) return { problem: 'the token is not signed with the secret' };
    }
    const { exp, nbf, sub } = claims;
    if (exp !== undefined && !(typeof exp === 'number' && exp * 1000 > wallClockMs())) {
      return { problem: 'the token has expired' };
    }
    if (this.#mode === 'secret' && typeof nbf === 'number' && nbf * 1000 > wallClockMs()) {
      return { problem: 'the token is not valid yet' };
    }
    if ((claims.type === 'refresh') !== (type === 'refresh')) {
      return { problem: type === 'refresh' ? 'not a refresh token' : 'a refresh token, not an access token' };
    }
    return {
      claims: {
        subject: typeof sub === 'string' ? sub : 'anonymous',
        expiresAtMs: exp === undefined ? undefined : exp * 1000,
      },
    };
  }
}

/** HS256. All arguments are strings: under jsdom a `Uint8Array` belongs to another realm and is refused. */
function signature(content: string, key: string): string {
  return createHmac('sha256', key).update(content).digest('base64url');
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
