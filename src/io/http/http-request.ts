import * as http from 'node:http';
import * as https from 'node:https';
import { OpmasError } from '../../core/errors.js';
import { AttemptError } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd, hintOf } from '../../core/failure/give-up.js';
import { failedProxy, proxyAgentFor, proxyAuthorization, refusedByProxy } from './proxy.js';
import { chooseProxy, type Environment, type ProxyChoice } from './proxy-choice.js';

/** A request, with its limits. */
export interface HttpRequest {
  /** `http` or `https`; `ws` and `wss` are taken as these. */
  url: URL;
  /** Default `GET`. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer;
  /** From the first packet to the last byte of the body, as an absolute limit. Default 10 s. */
  timeoutMs?: number;
  /** The part of the body to keep; reading stops there. Default 64 KiB. */
  maxBodyBytes?: number;
  /** CA to trust instead of the usual ones, as PEM. */
  ca?: string | undefined;
  /** Do not verify TLS certificates. */
  insecure?: boolean | undefined;
  /** Ends the request early, with an error. */
  signal?: AbortSignal | undefined;
  /** Environment variables that may name a proxy. Default `process.env`. */
  environment?: Environment | undefined;
}

/** The answer to a request. */
export interface HttpResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** At most `maxBodyBytes` of it. */
  body: Buffer;
  /** Whether there was more of the body than was kept. */
  truncated: boolean;
}

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Sends one HTTP request, through the proxy that the environment names. Follows no redirect: a request of ours carries a
 * password or a token.
 *
 * @throws {OpmasError} `NETWORK` when there is no answer, with the error of Node as its cause. The message holds the
 * URL's scheme, host and port, never its query.
 */
export async function httpRequest(options: HttpRequest): Promise<HttpResponse> {
  const url = new URL(options.url.href.replace(/^ws/, 'http'));
  // Plain HTTP goes to a proxy as a request for the whole URL: many proxies open tunnels to port 443 only.
  const environment = options.environment ?? process.env;
  const hasCa = options.ca !== undefined;
  const proxy = url.protocol === 'http:' ? chooseProxy(url, environment) : undefined;
  const agent = proxy ? undefined : proxyAgentFor(url, environment, options.ca);
  const request = proxy ? startProxied(url, proxy, options) : startDirect(url, options, agent);
  const limit = new Limit(options, () => agent?.stalled);
  try {
    const response = await Promise.race([readResponse(request, options), limit.over]);
    if (proxy && response.status === 407) throw refusedByProxy(proxy, 407);
    return response;
  } catch (error) {
    if (error instanceof OpmasError || !(error instanceof Error)) throw error;
    if (proxy && !(error instanceof AttemptError)) throw failedProxy(proxy, error);
    const through = proxy ? ` through the proxy ${proxy.url.origin} (${proxy.variable})` : '';
    const isHangUp = error.message === 'socket hang up';
    const known = isHangUp
      ? new AttemptError('cut off', 'it closed the connection without an answer')
      : error;
    const failure = failureOfError(known, { hasCa });
    throw new OpmasError('NETWORK', `${url.origin}: ${describeEnd(failure.event)}${through}`, {
      hint: hintOf(failure, url),
      failure: failure.kind,
      cause: error,
    });
  } finally {
    limit.lift();
    request.destroy();
    // Ends a tunnel that is still being asked for.
    agent?.destroy();
  }
}

/** Ends a request when its time is up or its signal aborts; neither waits for the request to notice. */
class Limit {
  /** Only ever rejects. */
  readonly over: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #stop: () => void;

  constructor({ timeoutMs = TIMEOUT_MS, signal }: HttpRequest, stalled: () => Error | undefined) {
    let end: (error: Error) => void = () => undefined;
    this.over = new Promise((_, reject) => {
      end = reject;
    });
    const late = `no answer in ${Math.ceil(timeoutMs / 1000)} s`;
    this.#timer = setTimeout(() => end(stalled() ?? new AttemptError('silent', late)), timeoutMs);
    this.#signal = signal;
    this.#stop = () => end(new AttemptError('unreachable', 'stopped'));
    if (signal?.aborted) this.#stop();
    signal?.addEventListener('abort', this.#stop, { once: true });
  }

  lift(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#stop);
  }
}

function startDirect(url: URL, options: HttpRequest, agent: http.Agent | undefined): http.ClientRequest {
  const { method = 'GET', ca, insecure } = options;
  const trust = { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: insecure !== true };
  const client = url.protocol === 'https:' ? https : http;
  const headers = headersOf(options);
  return client.request(url, { method, headers, agent: agent ?? false, ...trust }).end(options.body);
}

function startProxied(url: URL, proxy: ProxyChoice, options: HttpRequest): http.ClientRequest {
  const client = proxy.url.protocol === 'https:' ? https : http;
  return client
    .request(proxy.url, {
      method: options.method ?? 'GET',
      path: url.origin + url.pathname + url.search,
      headers: { ...headersOf(options), Host: url.host, ...proxyAuthorization(proxy) },
      agent: false,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
    .end(options.body);
}

function headersOf({ headers, body }: HttpRequest): Record<string, string> {
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  return { ...headers, ...length, Connection: 'close' };
}

function readResponse(request: http.ClientRequest, options: HttpRequest): Promise<HttpResponse> {
  const most = options.maxBodyBytes ?? MAX_BODY_BYTES;
  return new Promise((resolve, reject) => {
    // More than one may come: a tunnel that is given up fails after the request has.
    request.on('error', reject);
    request.once('close', () =>
      reject(new AttemptError('cut off', 'the connection ended before an answer came')),
    );
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const end = (truncated: boolean) =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).subarray(0, most),
          truncated,
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length <= most) return;
        end(true);
        request.destroy();
      });
      response.once('end', () => end(false));
      response.once('error', reject);
    });
  });
}
