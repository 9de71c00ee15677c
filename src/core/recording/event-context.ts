import { OpmasError } from '../errors.js';
import type { Filter } from '../filter/filter.js';
import type { LifecycleContent, LineBatch } from './format.js';
import { LineRing } from './line-ring.js';

/** A number of events, or a time in milliseconds. */
export type ContextSpan = { events: number } | { ms: number };

/** The events that are wanted around the matching ones. */
export interface ContextOptions {
  /** Events of any kind before each event that the filter keeps. Default: none. */
  before?: ContextSpan | undefined;
  /** Events of any kind after each event that the filter keeps. Default: none. */
  after?: ContextSpan | undefined;
}

/**
 * Finds the events around matching ones, as `grep -B -A` does: stretches that overlap are one, and the order is kept.
 * Times are those of the lines, in microseconds since 1970. A clock that is set back takes no time.
 */
export class EventContext {
  /** The events before the next match. Absent when none are wanted. */
  readonly #ring: LineRing | undefined;
  readonly #after: { events: number; micros: number };
  /** The latest time. */
  #now = 0;
  #openUntil = Number.NEGATIVE_INFINITY;
  #openEvents = 0;
  /** How far the clock was set back so far. */
  #setBack = 0;
  /** Events that were given; the caller counts those of {@link place}, for which there may be no room. */
  events = 0;
  /** Matches whose context is not whole, because it takes more memory than there is. */
  cut = 0;

  /**
   * @param maxBytes Memory for the events before.
   * @param onFreed Called with a lifecycle line, LF included, when the events before it have gone.
   */
  constructor(
    { before, after }: ContextOptions,
    maxBytes: number,
    onFreed: (line: Buffer, lifecycle: LifecycleContent) => void,
  ) {
    const [events, micros] = limitsOf(after, 0, Number.NEGATIVE_INFINITY);
    this.#after = { events, micros };
    if (before === undefined) return;
    const [most, age] = limitsOf(before, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    this.#ring = new LineRing({ events: most, micros: age, bytes: maxBytes }, onFreed);
  }

  /**
   * Notes a matching event.
   *
   * @param accepts Returns whether there is room for so many bytes. @returns The lines that come before it.
   */
  match(at: number, accepts: (bytes: number) => boolean = () => true): LineBatch[] {
    const now = this.#timeOf(at);
    this.#openUntil = now + this.#after.micros;
    this.#openEvents = this.#after.events;
    const ring = this.#ring;
    ring?.expire(now);
    if (ring === undefined || (ring.events === 0 && ring.cut === 0)) return [];
    const hasRoom = accepts(ring.bytes);
    if (!hasRoom || ring.lacks(now)) this.cut++;
    if (!hasRoom) ring.clear();
    this.events += ring.events;
    return ring.take();
  }

  /** Judges an event that does not match. @returns `give`: it comes after one. `hold`: it may come before one. */
  place(at: number): 'give' | 'hold' | 'drop' {
    const now = this.#timeOf(at);
    if (now > this.#openUntil && this.#openEvents === 0) return this.#ring === undefined ? 'drop' : 'hold';
    if (this.#openEvents > 0) this.#openEvents--;
    return 'give';
  }

  /** Holds the event that was placed last; the arguments are those of `writeEventLine`. */
  writeEvent(head: Buffer, frame: Buffer, hasLineBreaks: boolean): void {
    this.#ring?.addEvent(head, frame, hasLineBreaks, this.#now);
  }

  /** Holds the line that was placed last, its LF included. */
  writeLine(line: Buffer): void {
    this.hold(line, 0, line.length - 1);
  }

  /** Holds the line `bytes[start..end)`, which has no LF. */
  hold(bytes: Buffer, start: number, end: number, lifecycle?: LifecycleContent): void {
    this.#ring?.add(bytes, start, end, this.#now, lifecycle === undefined, lifecycle);
  }

  /** Returns whether a lifecycle line must be held, until the events before it are given or have gone. */
  waits(at: number): boolean {
    this.#ring?.expire(this.#timeOf(at));
    return this.#ring !== undefined && this.#ring.events > 0;
  }

  /** Drops the events that are held; lifecycle lines between them are freed. */
  end(): void {
    this.#ring?.clear();
  }

  #timeOf(at: number): number {
    const now = at + this.#setBack;
    if (this.#now - now > DISORDER_MICROS) this.#setBack += this.#now - now;
    if (now > this.#now) this.#now = now;
    return this.#now;
  }
}

/** A smaller step back is disorder between connections. */
const DISORDER_MICROS = 1_000_000;

function limitsOf(
  span: ContextSpan | undefined,
  events: number,
  micros: number,
): [events: number, micros: number] {
  if (span === undefined) return [events, micros];
  return 'events' in span ? [span.events, micros] : [events, span.ms * 1000];
}

const isSpan = (span: ContextSpan) => {
  const { events, ms } = (span ?? {}) as Partial<Record<string, number>>;
  return events === undefined
    ? ms !== undefined && ms > 0
    : Number.isInteger(events) && events > 0 && ms === undefined;
};

/** The rules for {@link ContextOptions}. */
export const CONTEXT_RULE = [isSpan, 'must be { events: … } or { ms: … }, above 0'] as const;

/** @throws {OpmasError} `USAGE` when context is wanted and there is no filter. */
export function checkContext({
  before,
  after,
  filter,
}: ContextOptions & { filter?: Filter | undefined }): boolean {
  if (before === undefined && after === undefined) return false;
  if (filter !== undefined && !filter.passesAll) return true;
  throw new OpmasError(
    'USAGE',
    '`before` and `after` need a filter, which finds the events that they surround',
    {
      hint: 'Filters are `problems`, `types`, `subjects` and `where`.',
    },
  );
}
