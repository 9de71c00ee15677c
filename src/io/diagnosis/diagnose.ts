import { displayUrl, endpointUrl, redactToken } from '../../core/address.js';
import { isJwt, readClaims } from '../../core/claims.js';
import type { Check } from '../../core/diagnosis/check.js';
import type { SaidOptions } from '../../core/diagnosis/next-command.js';
import { type Verdict, verdictOf } from '../../core/diagnosis/verdict.js';
import { OpmasError } from '../../core/errors.js';
import { ENDPOINTS } from '../../core/protocol.js';
import { relativeTime } from '../../core/relative-time.js';
import { type Clock, systemClock } from '../clock.js';
import { StoredToken } from '../token/stored-token.js';
import type { TokenProvider } from '../token/token.js';
import { type ApiAnswer, apiFinding, askApi, clockCheck } from './check-api.js';
import { checkNetworkPath } from './check-network-path.js';
import { Checker, type Finding, skipped } from './checker.js';
import { judgeProbe } from './judge-probe.js';
import { speaksTls, targetOf } from './network-path.js';
import { PONG_LIMIT_MS, type ProbeOutcome, type ProbeResult, probeUpgrade } from './upgrade-probe.js';

/** What {@link diagnose} takes; `url` and `token` are required. */
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

class Diagnosis {
  readonly #options: DiagnosisOptions;
  readonly #clock: Clock;
  readonly #checker: Checker;
  #token: string | undefined;

  constructor(options: DiagnosisOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#checker = new Checker(this.#clock, options.signal);
  }

  async *run(): AsyncGenerator<Check, void, undefined> {
    const token = await this.#checker.check('token', () => this.#checkToken());
    yield token;
    let works = true;
    for await (const check of checkNetworkPath(this.#options, this.#checker)) {
      works &&= check.status !== 'failed';
      yield check;
    }
    if (!works || token.status === 'failed' || this.#checker.isStopped) {
      const why = token.status === 'failed' && works ? 'not tried without a token' : 'not tried';
      for (const endpoint of this.#endpoints) yield skipped(`upgrade ${endpoint}`, why);
      return;
    }
    yield* this.#checkServer();
  }

  /** `undefined` when there is no token. */
  get tokenIsJwt(): boolean | undefined {
    return this.#token === undefined ? undefined : isJwt(this.#token);
  }

  get #endpoints(): readonly string[] {
    return [...new Set(this.#options.endpoints ?? ENDPOINTS)];
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
    const now = this.#clock.nowMicros() / 1000;
    const { subject, expiresAtMs } = readClaims(this.#token);
    const isOver = expiresAtMs !== undefined && expiresAtMs <= now;
    const expiry =
      expiresAtMs === undefined
        ? 'it does not say when it expires'
        : `${isOver ? 'expired' : 'expires'} ${relativeTime(expiresAtMs, now)}`;
    const detail = [`from ${token.source}`, subject === undefined ? undefined : `user ${subject}`, expiry];
    return {
      status: isOver ? 'warning' : 'ok',
      detail: detail.filter((part) => part !== undefined).join(', '),
    };
  }

  /** The REST API and the endpoints, all at once; the API's answer explains what the endpoints say. */
  async *#checkServer(): AsyncGenerator<Check, void, undefined> {
    const { url, ca, insecure, signal } = this.#options;
    const start = this.#clock.monotonicMs();
    const asked = askApi({ base: url, token: this.#token, ca, insecure, signal }, this.#clock);
    const probes = this.#endpoints.map((endpoint) => ({ endpoint, probed: this.#probe(endpoint) }));
    const answer = await asked;
    yield {
      ...apiFinding(answer, this.#token !== undefined),
      name: 'api',
      durationMs: this.#clock.monotonicMs() - start,
    };
    if (answer.skewMs !== undefined) yield clockCheck(answer.skewMs);
    for (const { endpoint, probed } of probes) yield* this.#checksOf(endpoint, await probed, answer);
  }

  async *#checksOf(
    endpoint: string,
    result: ProbeResult,
    api: ApiAnswer,
  ): AsyncGenerator<Check, void, undefined> {
    const { url } = this.#options;
    const mayWantTls = !this.#checker.isStopped && url.protocol === 'ws:' && mayBeTls(result.outcome);
    const { upgrade, pong } = judgeProbe(result, {
      token: this.#token,
      isExpired: this.#isExpired(),
      api,
      speaksTls: mayWantTls && (await speaksTls(targetOf(url))),
      url,
    });
    yield {
      ...upgrade,
      detail: redactToken(upgrade.detail, this.#token),
      name: `upgrade ${endpoint}`,
      durationMs: result.upgradeMs,
    };
    if (pong === undefined) return;
    yield { ...pong, name: `pong ${endpoint}`, durationMs: result.roundTripMs ?? PONG_LIMIT_MS };
  }

  #probe(endpoint: string) {
    const { url, ca, insecure, signal } = this.#options;
    return probeUpgrade({ url: endpointUrl(url, endpoint, this.#token), ca, insecure, signal });
  }

  #isExpired(): boolean {
    const { expiresAtMs } = readClaims(this.#token ?? '');
    return expiresAtMs !== undefined && expiresAtMs <= this.#clock.nowMicros() / 1000;
  }
}

/** Faults that a server which waits for TLS shows to a client that speaks plainly. */
function mayBeTls(outcome: ProbeOutcome): boolean {
  return (
    outcome.kind === 'failed' ||
    outcome.kind === 'silent' ||
    (outcome.kind === 'refused' && outcome.status === 400)
  );
}
