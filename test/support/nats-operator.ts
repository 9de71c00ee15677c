import type { ConnectionOptions, nkeys as Keys } from '@nats-io/transport-node';
import { NatsServer, packages } from './nats-server.js';

type KeyPair = ReturnType<typeof Keys.createUser>;

const { nkeys, credsAuthenticator } = packages?.[0] ?? ({} as never);

const UNLIMITED = -1;
/** JetStream in an account has to be allowed: by default none is. */
const ACCOUNT_LIMITS = Object.fromEntries(
  ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf', 'mem_storage', 'disk_storage']
    .concat(['streams', 'consumer'])
    .map((name) => [name, UNLIMITED]),
);
const USER_LIMITS = { subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED };

/** A server in operator mode: it knows accounts and users only by JWTs that an operator and an account have signed. */
export class NatsOperator implements AsyncDisposable {
  readonly #operator = nkeys.createOperator();
  readonly #system = nkeys.createAccount();
  readonly #account = nkeys.createAccount();
  // A running server takes no other operator. The system account must have no JetStream.
  readonly #systemJwt = this.#jwtOf(this.#system, { type: 'account' });
  readonly #fixed = `operator: ${this.#jwtOf(this.#operator, { type: 'operator' })}
    system_account: ${this.#system.getPublicKey()}\nresolver: MEMORY`;
  readonly #revoked: Record<string, number> = {};
  server!: NatsServer;

  static async start(): Promise<NatsOperator> {
    const it = new NatsOperator();
    it.server = await NatsServer.start(it.#configuration());
    return it;
  }

  /** Makes a user. @returns The content of its credentials. @param lifeS Seconds until it expires. */
  createUser(lifeS?: number): string {
    const user = nkeys.createUser();
    const limits = { type: 'user', issuer_account: '', ...USER_LIMITS };
    const exp = lifeS === undefined ? {} : { exp: seconds() + lifeS };
    const jwt = signed(this.#account, { ...exp, name: 'recorder', sub: user.getPublicKey(), nats: limits });
    const seed = new TextDecoder().decode(user.getSeed());
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
  }

  /** Revokes the user of credentials, or allows it again. */
  async revoke(creds: string, isRevoked = true): Promise<void> {
    const { sub } = JSON.parse(Buffer.from(creds.split('.')[1]!, 'base64url').toString());
    if (isRevoked) this.#revoked[sub] = seconds();
    else delete this.#revoked[sub];
    await this.server.reload(this.#configuration());
  }

  #configuration(): string {
    const nats = { type: 'account', limits: ACCOUNT_LIMITS, revocations: this.#revoked };
    const account = this.#jwtOf(this.#account, nats);
    return `${this.#fixed}\nresolver_preload: {
      ${this.#system.getPublicKey()}: ${this.#systemJwt}, ${this.#account.getPublicKey()}: ${account} }`;
  }

  #jwtOf(key: KeyPair, nats: object): string {
    return signed(this.#operator, { name: 'x', sub: key.getPublicKey(), nats });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** Returns the options of a connection with credentials. */
export function loginOf(creds: string): ConnectionOptions {
  return { authenticator: credsAuthenticator(Buffer.from(creds)) };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Makes a JWT of version 2 of NATS. */
function signed(issuer: KeyPair, claims: { nats: object; [name: string]: unknown }): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const nats = { version: 2, ...claims.nats };
  const content = { jti: 'x', iat: seconds(), iss: issuer.getPublicKey(), ...claims, nats };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(content)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}
