import { endpointAtPath } from '../protocol.js';

/** Endpoint of events that name none, and whose type names none. */
const DEFAULT_ENDPOINT = 'system';

/** More endpoints than this are damage, not endpoints; their events are left out. */
const MOST_ENDPOINTS = 4096;

/** Numbers the endpoints of a recording, so that lines need not carry texts. */
export class EndpointTable {
  readonly #indices = new Map<string, number>();
  readonly #labels: string[] = [];
  /** The endpoint of the last line is mostly the endpoint of the next one. */
  #last: { endpoint: string | undefined; index: number } | undefined;

  get size(): number {
    return this.#labels.length;
  }

  /** The number of an endpoint; a new endpoint gets one. All endpoints beyond the limit share one number. */
  indexOf(endpoint: string | undefined): number {
    if (this.#last !== undefined && endpoint === this.#last.endpoint) return this.#last.index;
    const index = this.#find(this.labelFor(endpoint));
    this.#last = { endpoint, index };
    return index;
  }

  #find(label: string): number {
    const known = this.#indices.get(label);
    if (known !== undefined) return known;
    if (this.#labels.length === MOST_ENDPOINTS) return MOST_ENDPOINTS;
    this.#indices.set(label, this.#labels.length);
    return this.#labels.push(label) - 1;
  }

  /** The label under which a line is served: the path of a documented endpoint means that endpoint. */
  labelFor(endpoint: string | undefined): string {
    if (endpoint === undefined) return DEFAULT_ENDPOINT;
    return (endpoint.startsWith('/') ? endpointAtPath(endpoint) : undefined) ?? endpoint;
  }

  /** The label with that number; `undefined` beyond the limit. */
  labelOf(index: number): string | undefined {
    return this.#labels[index];
  }

  has(endpoint: string): boolean {
    return this.#indices.has(endpoint);
  }
}
