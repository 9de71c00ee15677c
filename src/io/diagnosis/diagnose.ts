import { displayUrl, endpointUrl, redactToken } from '../../core/address.js';
import { isJwt, readClaims } from '../../core/claims.js';
import { type Check, type ConnectionFault, type Verdict, verdictOf } from '../../core/diagnosis/diagnosis.js';
import type { SaidOptions } from '../../core/diagnosis/next-command.js';
import { OpmasError } from '../../core/errors.js';
import { ENDPOINTS } from '../../core/protocol.js';
import { chooseProxy } from '../../core/proxy-choice.js';
import { relativeTime } from '../../core/relative-time.js';
import { askAboutToken, isApiMissing } from '../client/triage.js';
import { type Clock, systemClock } from '../clock.js';
import type { HttpResponse } from '../http/http-request.js';
import { StoredToken } from '../token/stored-token.js';
import type { TokenProvider } from '../token/token.js';
import { faultOfError, wordsOfError } from './fault-of-error.js';
import { type ApiAnswer, judgeProbe } from './judge-probe.js';
import { PONG_LIMIT_MS, probeUpgrade } from './upgrade-probe.js';
import { greetTls, reach, resolveName, speaksTls, targetOf } from './way.js';

export interface DiagnosisOptions {
  /** Base URL of the server. */
  url: URL;
  /** Default: all four. */
  endpoints?: readonly string[];
  token: TokenProvider;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  signal?: AbortSignal | undefined;
  clock?: Clock;
  /** What the user typed, for the next command to repeat. Default: the URL and the endpoints. */
  said?: SaidOptions | undefined;
}

/** A clock that is further off than that spoils tokens and certificates. */
const SKEW_MS = 60_000;

/**
 * Finds out why there are no events: token, name, TCP, TLS, the API, the upgrade of each endpoint and the first pong.
 * Each check is given as soon as it is done; the last value, the verdict, is the return value of the generator.
 */
export async function* diagnose(options: DiagnosisOptions): AsyncGenerator<Check, Verdict, undefined> {
  const checks: Check[] = [];
  const diagnosis = new Diagnosis(options);
  for await (const check of diagnosis.run()) {
    checks.push(check);
    yield check;
  }
  const { url, token, endpoints, said } = options;
  const { host, port } = targetOf(url);
  return verdictOf(checks, {
    protocol: url.protocol,
    hostname: url.hostname || host,
    port: String(port),
    base: displayUrl(url),
    tokenSource: token instanceof StoredToken ? undefined : token.source,
    tokenRemedy: token.remedy,
    tokenIsJwt: diagnosis.tokenIsJwt,
    said: said ?? { url: displayUrl(url), endpoints },
  });
}

type Finding = Pick<Check, 'status' | 'detail'> & { fault?: ConnectionFault | undefined };

class Diagnosis {
  readonly #options: DiagnosisOptions;
  readonly #clock: Clock;
  #token: string | undefined;

  constructor(options: DiagnosisOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async *run(): AsyncGenerator<Check, void, undefined> {
    const token = await this.#check('token', () => this.#checkToken());
    yield token;
    const { url } = this.#options;
    let works = true;
    for await (const check of this.#way()) {
      works &&= check.status !== 'failed';
      yield check;
    }
    const isStopped = this.#options.signal?.aborted === true;
    if (!works || token.status === 'failed' || isStopped) {
      const why = token.status === 'failed' && works ? 'not tried without a token' : 'not tried';
      for (const endpoint of this.#endpoints) yield skipped(`upgrade ${endpoint}`, why);
      return;
    }
    yield* this.#api(url);
  }

  /** `undefined` when there is no token. */
  get tokenIsJwt(): boolean | undefined {
    return this.#token === undefined ? undefined : isJwt(this.#token);
  }

  get #endpoints(): readonly string[] {
    return [...new Set(this.#options.endpoints ?? ENDPOINTS)];
  }

  async #check(name: string, work: () => Promise<Finding>): Promise<Check> {
    const start = this.#clock.monotonic();
    const finding = await unlessStopped(work(), this.#options.signal);
    return { name, ...finding, milliseconds: this.#clock.monotonic() - start };
  }

  /** A check that goes to the network, where any error is a finding. */
  #checkWay(name: string, work: () => Promise<Finding>): Promise<Check> {
    return this.#check(name, () =>
      work().catch(
        (error: unknown): Finding => ({
          status: 'failed',
          detail: wordsOfError(error),
          fault: faultOfError(error),
        }),
      ),
    );
  }

  async #checkToken(): Promise<Finding> {
    const { token } = this.#options;
    try {
      this.#token = await token.token();
    } catch (error) {
      if (!(error instanceof OpmasError)) throw error;
      const fault = error.code === 'AUTH' ? 'no token' : 'token unusable';
      return { status: 'failed', detail: error.message, fault };
    }
    if (this.#token === undefined) return { status: 'ok', detail: 'none, on purpose' };
    const now = this.#clock.now() / 1000;
    const { subject, expiresAt } = readClaims(this.#token);
    const isOver = expiresAt !== undefined && expiresAt <= now;
    const expiry =
      expiresAt === undefined
        ? 'it does not say when it expires'
        : `${isOver ? 'expired' : 'expires'} ${relativeTime(expiresAt, now)}`;
    const detail = [`from ${token.source}`, subject === undefined ? undefined : `user ${subject}`, expiry];
    return {
      status: isOver ? 'warning' : 'ok',
      detail: detail.filter((part) => part !== undefined).join(', '),
    };
  }

  /** Name, TCP and TLS; to the proxy when there is one, for then the proxy does the rest. */
  async *#way(): AsyncGenerator<Check, void, undefined> {
    const { url, ca, insecure } = this.#options;
    const proxy = chooseProxy(url, process.env);
    const target = targetOf(proxy?.url ?? url);
    const dns = await this.#checkWay('dns', async () => ({
      status: 'ok',
      detail: `${target.host} is ${(await resolveName(target.host)).join(', ')}`,
    }));
    if (proxy !== undefined) dns.fault &&= 'proxy unreachable';
    yield dns;
    if (dns.status === 'failed') {
      yield skipped(proxy === undefined ? 'tcp' : 'proxy');
      return;
    }
    const tcp = await this.#checkWay(proxy === undefined ? 'tcp' : 'proxy', async () => ({
      status: 'ok',
      detail: `${await reach(target)} port ${target.port}${proxy ? ` (${proxy.variable})` : ''}`,
    }));
    if (proxy !== undefined) tcp.fault &&= 'proxy unreachable';
    yield tcp;
    if (url.protocol !== 'wss:' || proxy !== undefined) return;
    if (tcp.status === 'failed') yield skipped('tls');
    else {
      const tls = await this.#checkWay('tls', () => greet(target, { ca, insecure }));
      // TCP has come about, so the host can be reached.
      yield tls.fault === 'unreachable' ? { ...tls, fault: 'silent' } : tls;
    }
  }

  /** The REST API and the endpoints, all at once; the API's answer explains what the endpoints say. */
  async *#api(url: URL): AsyncGenerator<Check, void, undefined> {
    const start = this.#clock.monotonic();
    const asked = this.#askApi(url);
    const probes = this.#endpoints.map((endpoint) => this.#probe(endpoint));
    const answer = await asked;
    yield {
      ...apiFinding(answer, this.#token !== undefined),
      name: 'api',
      milliseconds: this.#clock.monotonic() - start,
    };
    if (answer.skewMs !== undefined) yield clockCheck(answer.skewMs);
    for (const [index, probe] of probes.entries()) {
      const endpoint = this.#endpoints[index]!;
      const result = await probe;
      const isStopped = this.#options.signal?.aborted === true;
      const mayWantTls = !isStopped && url.protocol === 'ws:' && mayBeTls(result.outcome);
      const speaksTlsInstead = mayWantTls && (await speaksTls(targetOf(url)));
      const { upgrade, pong } = judgeProbe(result, {
        token: this.#token,
        isExpired: this.#isExpired(),
        api: answer,
        speaksTls: speaksTlsInstead,
        url,
      });
      const safe = (text: string) => redactToken(text, this.#token);
      yield {
        ...upgrade,
        detail: safe(upgrade.detail),
        name: `upgrade ${endpoint}`,
        milliseconds: result.upgradeMs,
      };
      if (pong === undefined) continue;
      yield { ...pong, name: `pong ${endpoint}`, milliseconds: result.roundTripMs ?? PONG_LIMIT_MS };
    }
  }

  #probe(endpoint: string) {
    const { url, ca, insecure, signal } = this.#options;
    return probeUpgrade({ url: endpointUrl(url, endpoint, this.#token), ca, insecure, signal });
  }

  async #askApi(url: URL): Promise<ApiAnswer> {
    const { ca, insecure, signal } = this.#options;
    const question = { base: url, token: this.#token, ca, insecure, signal };
    try {
      const response = await askAboutToken(question);
      const { status } = response;
      const isMissing = status === 404 && (await isApiMissing(question));
      return { status, isMissing, skewMs: this.#skewOf(response), error: undefined };
    } catch (error) {
      return { status: undefined, isMissing: false, skewMs: undefined, error };
    }
  }

  /** How far this machine's clock is ahead of the server's; the header has whole seconds. */
  #skewOf({ headers }: HttpResponse): number | undefined {
    const theirs = Date.parse(headers.date ?? '');
    return Number.isNaN(theirs) ? undefined : this.#clock.now() / 1000 - theirs;
  }

  #isExpired(): boolean {
    const { expiresAt } = readClaims(this.#token ?? '');
    return expiresAt !== undefined && expiresAt <= this.#clock.now() / 1000;
  }
}

/** Faults that a server which waits for TLS shows to a client that speaks plainly. */
function mayBeTls(outcome: Awaited<ReturnType<typeof probeUpgrade>>['outcome']): boolean {
  return (
    outcome.kind === 'failed' ||
    outcome.kind === 'silent' ||
    (outcome.kind === 'refused' && outcome.status === 400)
  );
}

async function greet(
  target: { host: string; port: number },
  trust: { ca: string | undefined; insecure: boolean | undefined },
): Promise<Finding> {
  const { protocol, names, validTo, distrust } = await greetTls(target, trust);
  const detail = `${protocol}, certificate for ${names}, good until ${validTo}`;
  return distrust === undefined
    ? { status: 'ok', detail }
    : { status: 'warning', detail: `${detail}; not verified: ${distrust}` };
}

/** What came of it, or that the user wanted no more of it; it may go on by itself then. */
async function unlessStopped(work: Promise<Finding>, signal: AbortSignal | undefined): Promise<Finding> {
  if (signal === undefined) return work;
  let stop: () => void = () => undefined;
  const stopped = new Promise<Finding>((resolve) => {
    stop = () => resolve({ status: 'failed', detail: 'stopped' });
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function apiFinding({ status, isMissing, error }: ApiAnswer, hasToken: boolean): Finding {
  switch (status) {
    case undefined:
      return { status: 'warning', detail: wordsOfError(error) };
    case 200:
      return { status: 'ok', detail: hasToken ? 'it knows the token' : 'it wants no token' };
    case 401:
      return {
        status: 'warning',
        detail: hasToken ? 'it does not take the token (HTTP 401)' : 'it wants a token (HTTP 401)',
      };
    case 404:
      return {
        status: 'warning',
        detail: isMissing
          ? 'there is none below this URL (HTTP 404)'
          : 'it does not say whom the token is for (HTTP 404)',
      };
    default:
      return { status: 'warning', detail: `HTTP ${status}` };
  }
}

function clockCheck(skewMs: number): Check {
  const isOff = Math.abs(skewMs) > SKEW_MS;
  const amount = relativeTime(Math.abs(skewMs), 0).replace(/^in /, '');
  const detail = isOff
    ? `this machine's clock is ${amount} ${skewMs > 0 ? 'ahead of' : 'behind'} the server's`
    : "agrees with the server's";
  return { name: 'clock', status: isOff ? 'warning' : 'ok', detail, milliseconds: 0 };
}

function skipped(name: string, detail = 'not tried'): Check {
  return { name, status: 'skipped', detail, milliseconds: 0 };
}
