import { displayUrl } from '../../core/address.js';
import { isJwt, readClaims } from '../../core/claims.js';
import { OpmasError } from '../../core/errors.js';
import {
  type ApiAnswers,
  apiWordOf,
  clockAheadOf,
  type HttpAnswer,
  hasApi,
} from '../../core/failure/answer.js';
import type { Failure } from '../../core/failure/failure.js';
import { clearPort, describe } from '../../core/failure/give-up.js';
import type { SaidOptions } from '../../core/failure/rule.js';
import { type Check, type Verdict, verdictOf } from '../../core/failure/verdict.js';
import { checkOptions, each, type OptionRules } from '../../core/options.js';
import { ENDPOINTS, endpointLabel } from '../../core/protocol.js';
import { examineRefusal, PONG_LIMIT_MS, type ProbeResult, probeEndpoint } from '../client/examine-refusal.js';
import { SERVER_RULES } from '../client/stream-options.js';
import { type Clock, systemClock } from '../clock.js';
import { askApi } from '../http/ask-api.js';
import { nameOf } from '../http/proxy.js';
import { ROUTE_RULES, type RouteOptions, ServerRoute } from '../http/server-route.js';
import { StoredToken } from '../token/stored-token.js';
import type { TokenProvider } from '../token/token.js';
import {
  apiText,
  Checker,
  clockCheck,
  type Finding,
  gatewayFinding,
  lifeOf,
  mayBePlace,
  STOPPED,
  skipped,
  tryPrefixes,
  USE_HEADER,
  USE_QUERY,
} from './findings.js';
import { checkNetworkPath, speaksTls } from './network-path.js';

/** The parameters of {@link diagnose}; `url` and `token` are required. */
export interface DiagnosisOptions extends RouteOptions {
  /** Base URL of the server. */
  url: URL;
  /** As for {@link subscribe}. Default: all four. */
  endpoints?: readonly string[] | undefined;
  token: TokenProvider;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** The options that the user typed, for the next command to repeat. Default: the URL and the endpoints. */
  said?: SaidOptions | undefined;
}

const DIAGNOSIS_RULES: OptionRules<DiagnosisOptions> = {
  ...SERVER_RULES,
  ...each(true, 'signal', 'clock', 'said'),
  ...ROUTE_RULES,
};

/**
 * Finds out why there are no events: token, name, TCP, TLS, the API, the upgrade of each endpoint and the first pong.
 * Each check is given as soon as it is done; the last value, the verdict, is the return value of the generator.
 */
export async function* diagnose(options: DiagnosisOptions): AsyncGenerator<Check, Verdict, undefined> {
  checkOptions('diagnose', options, DIAGNOSIS_RULES, ['url', 'token']);
  const checks: Check[] = [];
  const diagnosis = new Diagnosis(options);
  for await (const check of diagnosis.run()) {
    checks.push(check);
    yield check;
  }
  const { url, token, endpoints, said } = options;
  return verdictOf(checks, {
    url,
    tokenSource: token instanceof StoredToken ? undefined : token,
    proxy: diagnosis.proxy,
    tokenIsJwt: diagnosis.tokenIsJwt,
    said: said ?? { url: displayUrl(url), endpoints },
  });
}

class Diagnosis {
  readonly #route: ServerRoute;
  readonly #clock: Clock;
  readonly #checker: Checker;
  readonly #endpoints: readonly string[];
  #token: string | undefined;
  /** The attempt with the token in the `Authorization` header. */
  #inHeader: Promise<ProbeResult> | undefined;

  constructor(private readonly options: DiagnosisOptions) {
    this.#route = new ServerRoute(options.url, options);
    this.#clock = options.clock ?? systemClock;
    this.#checker = new Checker(this.#clock, options.signal);
    const endpoints = options.endpoints ?? ENDPOINTS;
    this.#endpoints = [...new Set(endpoints.map((endpoint) => endpointLabel(endpoint) ?? endpoint))];
  }

  async *run(): AsyncGenerator<Check, void, undefined> {
    const token = await this.#checker.check('token', () => this.#checkToken());
    yield token;
    let works = true;
    for await (const check of checkNetworkPath(this.#route, this.#checker)) {
      works &&= check.status !== 'failed';
      yield check;
    }
    const hasToken = token.status !== 'failed';
    const isReached = works && !this.#checker.isStopped;
    if (isReached) yield* this.#checkServer(hasToken);
    if (isReached && hasToken) return;
    const why = isReached ? 'not tried without a token' : 'not tried';
    for (const endpoint of this.#endpoints) yield skipped(`upgrade ${endpoint}`, why);
  }

  /** `undefined` when there is no token. */
  get tokenIsJwt(): boolean | undefined {
    return this.#token === undefined ? undefined : isJwt(this.#token);
  }

  /** The proxy on the way, without credentials, and its source. */
  get proxy(): string | undefined {
    const { proxy } = this.#route;
    return proxy && nameOf(proxy);
  }

  get #nowMs(): number {
    return this.#clock.nowMicros() / 1000;
  }

  async #checkToken(): Promise<Finding> {
    const { token } = this.options;
    try {
      this.#token = await token.token(this.options.signal);
    } catch (error) {
      if (!(error instanceof OpmasError)) throw error;
      const failure = error.code === 'AUTH' ? 'no token' : 'token unusable';
      return { status: 'failed', detail: error.message, failure };
    }
    if (this.#token === undefined) return { status: 'ok', detail: 'none, on purpose' };
    const { subject } = readClaims(this.#token);
    const { isWrong, text } = lifeOf(this.#token, this.#nowMs, token.clockAheadMs);
    const parts = [`from ${token.source}`, ...(subject === undefined ? [] : [`user ${subject}`]), text];
    return { status: isWrong ? 'warning' : 'ok', detail: parts.join(', ') };
  }

  /**
   * Checks the REST API and, with a token, the endpoints, all at once; the API's answer explains the refusals of the
   * endpoints.
   */
  async *#checkServer(hasToken: boolean): AsyncGenerator<Check, void, undefined> {
    const startMs = this.#clock.monotonicMs();
    const asked = askApi(this.#route, this.#token, { signal: this.options.signal });
    const tried = hasToken ? this.#endpoints : [];
    const probes = tried.map((endpoint) => ({ endpoint, probed: this.#probe(endpoint) }));
    const api = await asked;
    const durationMs = this.#clock.monotonicMs() - startMs;
    const word = apiWordOf(api);
    const detail = apiText(api, this.#token);
    const found = hasToken ? {} : gatewayFinding(api, this.#route);
    yield { name: 'api', status: word === 'accepts' ? 'ok' : 'warning', detail, durationMs, ...found };
    const aheadMs = clockAheadOf(api.me, this.#nowMs);
    if (aheadMs !== undefined)
      yield clockCheck(aheadMs, this.#token && lifeOf(this.#token, this.#nowMs, aheadMs).text);
    if (api.me !== undefined && (word === 'absent' || word === 'unclear')) {
      const ends = await Promise.all(probes.map(({ probed }) => probed));
      const opens = ends.some(({ failure }) => failure === undefined);
      if (!opens)
        yield await this.#checker.check('prefix', () => tryPrefixes(this.#route.base, this.options));
    }
    for (const { endpoint, probed } of probes) yield* this.#checksOf(endpoint, await probed, api);
  }

  #probe(endpoint: string, tokenIn = this.#route.tokenIn): Promise<ProbeResult> {
    const upgrade = this.#route.upgrade(endpoint, this.#token, undefined, tokenIn);
    return probeEndpoint({ upgrade, clock: this.#clock, signal: this.options.signal });
  }

  async *#checksOf(
    endpoint: string,
    { failure, upgradeMs, roundTripMs, hasEvent }: ProbeResult,
    api: ApiAnswers,
  ): AsyncGenerator<Check, void, undefined> {
    const upgrade = failure === undefined ? OPEN : await this.#findingOf(endpoint, failure, api);
    yield { ...upgrade, name: `upgrade ${endpoint}`, durationMs: upgradeMs };
    if (failure !== undefined) return;
    const pong = roundTripMs !== undefined ? PONG : hasEvent ? ONLY_EVENTS : NO_PONG;
    yield { ...pong, name: `pong ${endpoint}`, durationMs: roundTripMs ?? PONG_LIMIT_MS };
  }

  async #findingOf(endpoint: string, failure: Failure, api: ApiAnswers): Promise<Finding> {
    if (this.#checker.isStopped) return STOPPED;
    // A server that waits for TLS closes other connections, or answers them with 400.
    const mayBeTls = this.#route.base.protocol === 'ws:' && [undefined, 400].includes(failure.answer?.status);
    if (mayBeTls && failure.event.state === 'refused' && (await speaksTls(this.#route))) {
      return { status: 'failed', detail: 'it speaks TLS', failure: 'TLS wanted' };
    }
    const attempt = { route: this.#route, endpoint, token: this.#token, api, clock: this.#clock };
    const examined = await examineRefusal(failure, { ...attempt, signal: this.options.signal });
    const result = hasApi(api) ? clearPort(examined, API_ANSWERS) : examined;
    const { kind, answer, hint, next } = result;
    const place = await this.#tryOtherPlace(endpoint, result, api);
    // The headers may repeat the token.
    const detail = this.#route.redact(`${describe(result)}${answeredBy(answer)}`, this.#token);
    return { status: 'failed', failure: kind, hint, next, ...place, detail: detail + (place.detail ?? '') };
  }

  /** Finds out whether a server refuses the token only for its place in the request. */
  async #tryOtherPlace(endpoint: string, failure: Failure, api: ApiAnswers): Promise<Partial<Finding>> {
    const { tokenIn, authorization } = this.#route;
    if (this.#token === undefined || authorization === 'user' || !mayBePlace(failure, api)) return {};
    // The query shows the token to access logs, which is what the user does not want.
    if (tokenIn === 'header') return USE_QUERY;
    // Once: a server treats its endpoints alike.
    this.#inHeader ??= this.#probe(endpoint, 'header');
    const opens = (await this.#inHeader).failure === undefined;
    return opens ? USE_HEADER : { detail: '; refused with the token in the Authorization header, too' };
  }
}

const API_ANSWERS =
  'the API answers there, so the port is right: this path is wrong, its service is failing, or a proxy in front passes on no WebSockets';
const OPEN: Finding = { status: 'ok', detail: 'open' };
const PONG: Finding = { status: 'ok', detail: 'round trip' };
const ONLY_EVENTS: Finding = { status: 'warning', detail: 'no ping is answered, only events come' };
const NO_PONG: Finding = { status: 'failed', detail: 'none in 5 s', failure: 'no pong' };

/** Names the program that answered, as its headers do. */
function answeredBy(answer: HttpAnswer | undefined): string {
  if (answer === undefined) return '';
  const { server, via, 'retry-after': retryAfter } = answer.headers;
  const parts: string[] = [];
  if (server !== undefined) parts.push(`answered by ${server}`);
  if (via !== undefined) parts.push(`via ${via}`);
  if (answer.status === 429 && /^\d{1,5}$/.test(String(retryAfter))) parts.push(`again in ${retryAfter} s`);
  return parts.map((part) => `, ${part}`).join('');
}
