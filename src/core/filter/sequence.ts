import { OpmasError } from '../errors.js';
import type { FrameReader } from '../json/frame.js';
import type { Expression } from './expression.js';
import { EarlierEvents, type Received } from './expression-scope.js';
import { compileFilter, createFilter, type Filter, type FilterOptions, type FilterReport } from './filter.js';

/** An event that a sequence has waited for. */
export interface SequenceMatch {
  type: string | undefined;
  /** Microseconds since 1970; `NaN` when it is not known. */
  receivedAt: number;
}

/** A filter that keeps one event for each of its steps, in this order, and nothing else. */
export class EventSequence implements Filter {
  readonly passesAll = false;
  readonly selects = true;
  readonly needsValue = true;
  readonly hints: readonly string[];
  /** `false`: events do not count yet. */
  isOpen = true;
  /** Called with each event that is kept. */
  onMatch: (match: SequenceMatch) => void = () => undefined;
  /** Events that have come. */
  found = 0;

  constructor(
    private readonly steps: readonly Filter[],
    private readonly earlier: EarlierEvents,
  ) {
    this.hints = steps.flatMap(({ hints }) => hints);
  }

  /** The number of events to wait for. */
  get length(): number {
    return this.steps.length;
  }

  /** The filter of the first event. */
  get filter(): Filter {
    return this.steps[0]!;
  }

  get isDone(): boolean {
    return this.found === this.length;
  }

  matches(reader: FrameReader, endpoint: string, received: Received): boolean {
    if (!this.isOpen || this.steps[this.found]?.matches(reader, endpoint, received) !== true) return false;
    this.found++;
    const { receivedAt } = received;
    this.earlier.add(reader.value, endpoint, { receivedAt });
    this.onMatch({ type: reader.type, receivedAt });
    return true;
  }

  /** Reports about the step that is waited for. */
  report(): FilterReport {
    const step = Math.min(this.found, this.length - 1);
    return { ...this.steps[step]!.report(), found: step };
  }
}

/**
 * Compiles a sequence: an event that the filter keeps, then one for each expression of `then`, to which the filter does
 * not apply. These expressions also have the names `first` and `previous` for events that came before.
 *
 * @throws {OpmasError} `USAGE` for a bad pattern or expression.
 */
export async function compileSequence(
  options: FilterOptions,
  then: readonly string[] = [],
): Promise<EventSequence> {
  const steps = [await compileFilter(options)];
  const earlier = new EarlierEvents();
  if (then.length > 0) {
    const { compileExpression } = await import('./expression.js');
    for (const text of then) steps.push(createFilter({}, [await asThen(compileExpression(text, earlier))]));
  }
  return new EventSequence(steps, earlier);
}

/** Names the right option in what is said about an expression. */
async function asThen(compiling: Promise<Expression>): Promise<Expression> {
  try {
    const expression = await compiling;
    return { ...expression, hints: expression.hints.map(inThen) };
  } catch (error) {
    if (!(error instanceof OpmasError)) throw error;
    throw new OpmasError(error.code, inThen(error.message), { hint: error.hint && inThen(error.hint) });
  }
}

function inThen(text: string): string {
  return text.replace('`where`', '`then`');
}
