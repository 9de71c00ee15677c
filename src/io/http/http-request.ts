import * as http from 'node:http';
import * as https from 'node:https';
import { brotliDecompressSync, constants, unzipSync, type ZlibOptions } from 'node:zlib';
import { targetOf } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { AttemptError } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd, hintOf } from '../../core/failure/give-up.js';
import { unlessStopped, withLimit } from '../clock.js';
import { untrustedFirst } from './issuer-trust.js';
import { Opening, type Way } from './opening.js';
import { failedProxy, nameOf, proxyAuthorization, refusedByProxy } from './proxy.js';
import { isSocks } from './proxy-choice.js';

/** A request, with its limits. */
export interface HttpRequest {
  /** Default `GET`. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer;
  /** From the first packet to the last byte of the body, as an absolute limit. Default 10 s. */
  timeoutMs?: number | undefined;
  /** The part of the body to keep; reading stops there. Default 64 KiB. */
  maxBodyBytes?: number;
  /** Ends the request early, with an error. */
  signal?: AbortSignal | undefined;
}

/** The answer to a request. */
export interface HttpResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** At most `maxBodyBytes` of it. */
  body: Buffer;
  /** True when the body was longer than what was kept. */
  truncated: boolean;
}

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Sends one HTTP request. Follows no redirect: a request of ours carries a password or a token.
 *
 * @throws {OpmasError} `NETWORK` when there is no answer, with the error of Node as its cause. The message holds the
 * URL's scheme, host and port, never its query.
 */
export async function sendRequest(url: URL, options: HttpRequest, way: Way): Promise<HttpResponse> {
  const { maxBodyBytes = MAX_BODY_BYTES, timeoutMs = TIMEOUT_MS, method = 'GET', headers, body } = options;
  const isSecure = url.protocol === 'https:';
  // Plain HTTP goes to a proxy as a request for the whole URL: many proxies open tunnels to port 443 only.
  const isForwarded = !isSecure && way.proxy !== undefined && !isSocks(way.proxy.url);
  const proxy = isForwarded ? way.proxy : undefined;
  const tls = isSecure ? way.trust.server : undefined;
  const opening = new Opening(targetOf(url), way, { limitMs: timeoutMs, isForwarded, tls });
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const request = (isSecure ? https : http).request(url, {
    method,
    headers: { ...headers, ...length, Connection: 'close', ...(proxy && proxyAuthorization(proxy)) },
    ...(proxy && { path: url.origin + url.pathname + url.search }),
    createConnection: opening.createConnection,
    defaultPort: isSecure ? 443 : 80,
  });
  // A connection that is given up fails after the request has.
  request.on('error', () => undefined);
  // With a string, Node would write the headers in UTF-8, too, though they are Latin-1.
  request.end(typeof body === 'string' ? Buffer.from(body) : body);
  const late = () =>
    opening.stalled ?? new AttemptError('silent', `no answer in ${Math.ceil(timeoutMs / 1000)} s`);
  const answer = unlessStopped(readResponse(request, maxBodyBytes), options.signal);
  try {
    const response = await withLimit(answer, timeoutMs, late);
    if (response === undefined) throw new AttemptError('unreachable', 'stopped');
    if (proxy && response.status === 407) throw refusedByProxy(proxy, 407);
    return response;
  } catch (error) {
    // A mistake of ours is no fault of the server.
    if (error instanceof OpmasError || /^(Reference|Type)Error$/.test((error as Error).name)) throw error;
    if (proxy && !(error instanceof AttemptError)) throw failedProxy(proxy, error);
    const through = proxy ? ` through ${nameOf(proxy)}` : '';
    const hangUp = new AttemptError('cut off', 'it closed the connection without an answer');
    const known = (error as Error).message === 'socket hang up' ? hangUp : error;
    const failure = await untrustedFirst(failureOfError(known, { side: way.trust }), way);
    throw new OpmasError('NETWORK', `${url.origin}: ${describeEnd(failure.event)}${through}`, {
      hint: hintOf(failure, url),
      failure: failure.kind,
      cause: error,
    });
  } finally {
    request.destroy();
    opening.destroy();
  }
}

async function readResponse(request: http.ClientRequest, maxBodyBytes: number): Promise<HttpResponse> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.once('close', () =>
      reject(new AttemptError('cut off', 'the connection ended before an answer came')),
    );
  });
  const body = await readUpTo(response, maxBodyBytes);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: body.subarray(0, maxBodyBytes),
    truncated: body.length > maxBodyBytes,
  };
}

/**
 * Reads a stream to its end, or to the chunk with which there are more bytes than that.
 *
 * @param chunks Gets the chunks. They stay when the stream fails.
 */
export async function readUpTo(
  stream: AsyncIterable<Buffer | string>,
  maxBytes: number,
  chunks: Buffer[] = [],
): Promise<Buffer> {
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return Buffer.concat(chunks);
}

/** Compressed bodies are unpacked up to that size. */
const MAX_UNPACKED_BYTES = 1024 * 1024;

/**
 * Returns the text of a body, or of its beginning. We ask for no compression, and yet some proxies compress; and pages
 * of firewalls have the character set of their country.
 */
export function textOf(body: Buffer, headers: http.IncomingHttpHeaders): string {
  const [, label = 'utf-8'] = /charset="?([\w.:-]{1,40})/i.exec(headers['content-type'] ?? '') ?? [];
  const bytes = unpacked(body, headers['content-encoding'] ?? '');
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

function unpacked(body: Buffer, coding: string): Buffer {
  const options: ZlibOptions = { maxOutputLength: MAX_UNPACKED_BYTES, finishFlush: constants.Z_SYNC_FLUSH };
  const { BROTLI_OPERATION_FLUSH: finishFlush } = constants;
  try {
    if (/^\s*br\s*$/i.test(coding)) return brotliDecompressSync(body, { ...options, finishFlush });
    return /^\s*(x-gzip|gzip|deflate)\s*$/i.test(coding) ? unzipSync(body, options) : body;
  } catch {
    return body;
  }
}
