import { endpointAtPath } from '../../core/protocol.js';

/** Where an event goes whose endpoint nothing tells. */
const ENDPOINT_OF_STRAYS = 'system';

/** More endpoints than that are no endpoints but damage; their events are left out. */
const MOST_LANES = 4096;

/** Numbers the endpoints of a recording, so that what concerns one is found without comparing texts. */
export class LaneTable {
  readonly #indices = new Map<string, number>();
  readonly #labels: string[] = [];
  /** What was asked for last is mostly what is asked for next. */
  #last: { label: string | undefined; lane: number } = { label: undefined, lane: 0 };

  /** How many there are. */
  get size(): number {
    return this.#labels.length;
  }

  /** The number of an endpoint, which it has from now on. All that are too many share the last one. */
  indexOf(endpoint: string | undefined): number {
    const label = this.labelFor(endpoint);
    if (label === this.#last.label) return this.#last.lane;
    const lane = this.#find(label);
    this.#last = { label, lane };
    return lane;
  }

  #find(label: string): number {
    const known = this.#indices.get(label);
    if (known !== undefined) return known;
    if (this.#labels.length === MOST_LANES) return MOST_LANES;
    this.#indices.set(label, this.#labels.length);
    return this.#labels.push(label) - 1;
  }

  /** The endpoint under which a line goes: a path that leads to a documented one means that one. */
  labelFor(endpoint: string | undefined): string {
    if (endpoint === undefined) return ENDPOINT_OF_STRAYS;
    return (endpoint.startsWith('/') ? endpointAtPath(endpoint) : undefined) ?? endpoint;
  }

  /** The endpoint that has that number. */
  labelOf(lane: number): string | undefined {
    return this.#labels[lane];
  }

  /** Whether anything of that endpoint has been met. */
  has(endpoint: string): boolean {
    return this.#indices.has(endpoint);
  }
}
