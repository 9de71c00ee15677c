import type { IncomingMessage } from 'node:http';

import { type EndpointName, endpointAtPath } from '../../core/protocol.js';
import type { FaultPlayer } from './fault-player.js';
import type { RequestGuard } from './guard.js';
import { splitTarget, tokenOf } from './rest.js';
import type { Refusal, StreamSource } from './stream-source.js';
import type { TokenClaims, TokenIssuer } from './token-issuer.js';

/** What becomes of an attempt to open a stream. */
export type Verdict =
  /** Without `claims` the token is bad, and the stream gets close 4001 as soon as it is open. */
  | { kind: 'admitted'; endpoint: string; claims: TokenClaims | undefined }
  /** `endpoint` is a path where there is no such endpoint; `why` is for our log, `text` for the client. */
  | { kind: 'refused'; endpoint: string; refusal: Refusal; why: string; text: string };

/** Whom and what {@link Admission} asks. */
export interface AdmissionOptions {
  guard: RequestGuard;
  faults: FaultPlayer;
  source: StreamSource;
  issuer: TokenIssuer;
  /** A bad token is refused by HTTP 403 (`http`), or by close 4001 after accept. */
  refuse: 'close' | 'http';
}

/** Decides who gets a stream. Judges requests, touches no socket. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Judges a request to upgrade. Takes as long as the source has the client wait. */
  async judge(request: IncomingMessage): Promise<Verdict> {
    const { path } = splitTarget(request.url ?? '');
    const label = documentedEndpoint(path) ?? path;
    const objection = this.#options.guard.objection(request);
    if (objection !== undefined) return refusedBy(label, 403, objection, objection);
    if (request.method !== 'GET') return refusedBy(label, 405, 'not a GET', 'Method Not Allowed');
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      return refusedBy(label, 426, 'not a WebSocket', 'This server upgrades to WebSocket only');
    }
    const endpoint = await this.endpointOf(path);
    // Starlette answers an unknown path as it answers a refused token: with a bare 403.
    if (endpoint === undefined) return refusedBy(label, 403, 'no such path');
    return this.#judgeFor(endpoint, request);
  }

  /** The label of the endpoint at a path, or `undefined` when there is none. */
  async endpointOf(path: string): Promise<string | undefined> {
    const name = documentedEndpoint(path);
    if (name !== undefined) return name;
    for (const label of new Set([path, decoded(path)])) {
      if (await this.#options.source.serves?.(label)) return label;
    }
    return undefined;
  }

  async #judgeFor(endpoint: string, request: IncomingMessage): Promise<Verdict> {
    const { faults, source, issuer, refuse } = this.#options;
    faults.begin();
    if (faults.refusal !== undefined) return refused(endpoint, faults.refusal, 'fault on demand');
    const refusal = await source.admit?.(endpoint);
    if (refusal !== undefined) return refused(endpoint, refusal, 'as recorded');
    const claims = await issuer.check(tokenOf(request));
    if (claims === undefined && refuse === 'http') return refusedBy(endpoint, 403, 'bad or missing token');
    return { kind: 'admitted', endpoint, claims };
  }
}

/** The verdict for a refusal of any kind. */
export function refused(endpoint: string, refusal: Refusal, why: string, text = ''): Verdict {
  return { kind: 'refused', endpoint, refusal, why, text };
}

/** The verdict for a refusal by an HTTP answer. */
export function refusedBy(endpoint: string, status: number, why: string, text?: string): Verdict {
  return refused(endpoint, { kind: 'status', status }, why, text);
}

/** The name of the documented endpoint at a path. */
function documentedEndpoint(path: string): EndpointName | undefined {
  return endpointAtPath(decoded(path));
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // Not percent-encoded; then it is what it is.
    return path;
  }
}
