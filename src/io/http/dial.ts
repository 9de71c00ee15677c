import dns, { type LookupAddress } from 'node:dns';
import * as net from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import { type targetOf, withBrackets } from '../../core/address.js';
import { AttemptError } from '../../core/failure/failure.js';
import { deferred } from '../clock.js';

/** The place to connect to. */
export type Target = ReturnType<typeof targetOf>;

/** Options of a {@link Dial}. */
export interface DialOptions {
  family?: 4 | 6 | undefined;
  /** The time that the caller gives it: every address is tried in the first half of it. */
  limitMs?: number | undefined;
  /** Looks up the addresses of a host. Default {@link resolveHost}. */
  resolve?: typeof resolveHost | undefined;
}

/** Connection Attempt Delay of RFC 8305: the head start of each address. */
const HEAD_START_MS = 250;

/** Finds the addresses of a host, those of both families by turns. A literal address is its own. */
export async function resolveHost(host: string, family: 4 | 6 | undefined): Promise<LookupAddress[]> {
  const options = { all: true, ...(family === undefined ? { hints: dns.ADDRCONFIG } : { family }) } as const;
  const found = await new Promise<LookupAddress[]>((resolve, reject) => {
    // A member of the module, as for Node's own sockets: programs may replace it.
    dns.lookup(host, options, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  }).catch((error: NodeJS.ErrnoException) => {
    if (family === undefined || error.code !== 'ENOTFOUND') throw error;
    // It may have addresses of the other family.
    throw new AttemptError('unknown host', `host ${host} has no IPv${family} address`, {
      hint: `There is no IPv${family} address for that name: check the name, or omit -${family}`,
      next: { name: 'doctor', change: { ipv4: false, ipv6: false } },
    });
  });
  const ofFirst = found.filter((each) => each.family === found[0]?.family);
  const others = found.filter((each) => each.family !== found[0]?.family);
  return found.flatMap((_, i) => [ofFirst[i], others[i]].filter((each) => each !== undefined));
}

/**
 * Opens a TCP connection to the first address of a host that answers (Happy Eyeballs, RFC 8305): the next address is
 * tried after a quarter of a second, or at once when one fails. Attempts go on meanwhile, so that a slow link works,
 * too: those of Node end after that time.
 */
export class Dial {
  readonly #opened = deferred<net.Socket>();
  /** Rejects with the error of the socket; with an `AggregateError` when several addresses fail. */
  readonly socket = this.#opened.promise;
  readonly errors: Error[] = [];
  readonly #port: number;
  readonly #open = new Map<net.Socket, string>();
  #waiting: LookupAddress[] | undefined;
  #headStartMs = HEAD_START_MS;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(
    { host, port }: Target,
    { family, limitMs = Infinity, resolve = resolveHost }: DialOptions = {},
  ) {
    this.#port = port;
    resolve(host, family).then(
      (addresses) => {
        this.#waiting = addresses;
        this.#headStartMs = Math.min(HEAD_START_MS, limitMs / 2 / addresses.length);
        this.#tryNext();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** The addresses that have not answered, with the port. */
  get silent(): string[] {
    return this.#silent.map(({ address, port }) => `${withBrackets(address)}:${port}`);
  }

  /** The error for a caller whose time is up. */
  get stalled(): Error {
    if (this.#waiting === undefined) {
      return new AttemptError('name server fails', 'the name server did not answer in time');
    }
    const late = { code: 'ETIMEDOUT' };
    const silent = this.#silent.map((place) => Object.assign(new Error('no answer'), late, place));
    return new AggregateError([...this.errors, ...silent]);
  }

  get #silent(): { address: string; port: number }[] {
    return [...this.#open.values()].map((address) => ({ address, port: this.#port }));
  }

  /** Ends all attempts. The result of this dial is an error, unless there is one already. */
  destroy(): void {
    this.#fail(new AttemptError('unreachable', 'stopped'));
  }

  #tryNext(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    const next = this.#waiting?.shift();
    if (next === undefined) {
      const { errors } = this;
      if (this.#open.size === 0) this.#fail(errors.length === 1 ? errors[0] : new AggregateError(errors));
      return;
    }
    const { address } = next;
    const socket = net.connect({ host: address, port: this.#port, noDelay: true });
    this.#open.set(socket, address);
    socket.once('connect', () => this.#succeed(socket));
    socket.once('error', (error) => {
      this.#open.delete(socket);
      this.errors.push(error);
      this.#tryNext();
    });
    if (this.#waiting?.length !== 0) this.#timer = setTimeout(() => this.#tryNext(), this.#headStartMs);
  }

  #succeed(socket: net.Socket): void {
    this.#open.delete(socket);
    socket.removeAllListeners('error');
    this.#opened.resolve(socket);
    this.#end();
  }

  #fail(error: unknown): void {
    this.#opened.reject(error);
    this.#end();
  }

  /** Ends what is left. {@link silent} stays as it was, for messages. */
  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const socket of this.#open.keys()) socket.destroy();
  }
}
