/** What happens to several endpoints within this time, for the same cause, is told in one line. */
const GATHER_MS = 1000;

/** The state of an endpoint: `waiting` for a connection; `fresh`, which is open and may not be kept; `over` for good. */
type EndpointState = 'waiting' | 'fresh' | 'open' | 'over';

/** Something that happened to one endpoint. */
export interface Notice {
  endpoint: string;
  /** What happened, and why: notices with the same key share a line. */
  key: string;
  /** Microseconds since 1970. */
  atMicros: number;
  /** Endpoints in these states may still get the same notice; without them, the line is printed at once. */
  awaits?: readonly EndpointState[];
  isError?: boolean;
  /** A wait or a gap. */
  milliseconds?: number | undefined;
  /** Formats the line of all notices with this key, the oldest first, without the time. */
  write(all: readonly Notice[]): string;
}

/** Gathers what endpoints share. A line is printed as soon as no endpoint can join, at the latest after a second. */
export class SharedNotices {
  readonly #states: Map<string, EndpointState>;
  readonly #gatherMs: number;
  readonly #print: (all: readonly Notice[]) => void;
  /** By key, the oldest first. */
  readonly #groups = new Map<string, { all: Notice[]; timer: NodeJS.Timeout }>();

  /** @param isEach Prints a line for each endpoint, at once. */
  constructor(endpoints: Iterable<string>, isEach: boolean, print: (all: readonly Notice[]) => void) {
    this.#states = new Map(Array.from(endpoints, (endpoint) => [endpoint, 'waiting']));
    this.#gatherMs = isEach ? 0 : GATHER_MS;
    this.#print = print;
  }

  /** Notes the state of an endpoint; call it before {@link add}. */
  set(endpoint: string, state: EndpointState): void {
    this.#states.set(endpoint, state);
  }

  get(endpoint: string): EndpointState | undefined {
    return this.#states.get(endpoint);
  }

  add(notice: Notice): void {
    const { key, endpoint } = notice;
    if (this.#groups.get(key)?.all.some((one) => one.endpoint === endpoint)) this.flush(key);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const timer = setTimeout(() => this.flush(key), this.#gatherMs).unref();
      group = { all: [], timer };
      this.#groups.set(key, group);
    }
    group.all.push(notice);
    if (this.#gatherMs === 0 || !this.#mayGrow(notice, group.all)) this.flush(key);
  }

  #mayGrow({ awaits = [] }: Notice, all: readonly Notice[]): boolean {
    const members = new Set(all.map(({ endpoint }) => endpoint));
    return [...this.#states].some(([endpoint, state]) => awaits.includes(state) && !members.has(endpoint));
  }

  /** Prints everything that is gathered, or the line of one key and those before it. */
  flush(last?: string): void {
    for (const [key, { all, timer }] of this.#groups) {
      clearTimeout(timer);
      this.#groups.delete(key);
      this.#print(all);
      if (key === last) return;
    }
  }
}
