import type { Filter, NamedCount, StreamSummary } from '../../index.js';
import type { ProblemCounts } from '../../internal.js';
import type { Messages } from '../terminal/terminal.js';

const LOOK_MS = 500;
/** A filter that has matched none of so many events in this time is worth a word before the end. */
const MANY_EVENTS = 1000;
const LONG_MS = 10_000;
const MAX_TYPES = 5;
const MAX_DEVICES = 5;

type Counts = Pick<StreamSummary, 'invalidReason' | 'invalidSkipped' | 'context'>;
const NOTHING: Counts = { invalidReason: undefined, invalidSkipped: 0, context: undefined };

type Topic = 'reason' | 'invalid' | 'nothing' | 'cut';

/** Explains, once each, why a filter matches nothing and why events could not be evaluated. */
export class FilterMessages {
  readonly #filter: Filter | undefined;
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  /** The topics of the warnings so far. */
  readonly #said = new Set<Topic>();

  /** @param counts Counts the messages that are no events, and the context. */
  constructor(
    private readonly messages: Messages,
    filter: Filter | undefined,
    private readonly counts: () => Counts = () => NOTHING,
  ) {
    this.#filter = filter === undefined || filter.passesAll ? undefined : filter;
    this.#timer = setInterval(() => this.#look(false), LOOK_MS).unref();
  }

  /**
   * Ends it.
   *
   * @param counts Problems that were printed. @returns Parts of the summary: `5 could not be evaluated (…)`.
   */
  end(counts?: ProblemCounts): string[] {
    clearInterval(this.#timer);
    this.#look(true);
    const { unevaluated = 0, reasons = [], problems } = this.#filter?.report() ?? {};
    const printed = counts?.sorted() ?? [];
    const found = printed.length > 0 ? printed : problems;
    return [
      ...(found === undefined ? [] : [problemsText(found)]),
      ...(unevaluated === 0 ? [] : [`${unevaluated} could not be evaluated (${reasons[0]})`]),
    ];
  }

  #look(isEnd: boolean): void {
    this.#lookAtInvalid();
    const report = this.#filter?.report();
    if (report === undefined) return;
    const { judged, matching, reasons, missing, found = 0 } = report;
    if (reasons.length > 0) {
      const option = found > 0 ? '--then' : '--where';
      this.#warn('reason', `${option} is false for events that cannot be evaluated: ${reasons[0]}`);
    }
    if (judged === 0) return;
    const isLong = judged >= MANY_EVENTS && performance.now() - this.#startedAtMs >= LONG_MS;
    if (matching > 0) {
      if (!isEnd || judged < MANY_EVENTS || missing.length === 0) return;
      this.#warn('nothing', `none of ${counted(judged)} had ${missing.join(', ')}`);
    } else if (isEnd || isLong) {
      const fields = missing.length === 0 ? '' : `; no event had ${missing.join(', ')}`;
      this.#warn(
        'nothing',
        `${counted(judged)} came and none matched ${found > 0 ? '--then' : 'the filters'}; types: ${typesIn(report.types)}${fields}`,
      );
    }
  }

  #lookAtInvalid(): void {
    const { invalidReason, invalidSkipped, context } = this.counts();
    if (context !== undefined && context.cut > 0)
      this.#warn(
        'cut',
        '--max-buffer is too small for --before: the first events of the context are missing',
      );
    if (invalidReason === undefined) return;
    const then =
      invalidSkipped > 0 ? 'the filter skips such messages' : 'such messages are kept as invalid lines';
    this.#warn('invalid', `a message is invalid: ${invalidReason}; ${then}`);
  }

  #warn(topic: Topic, text: string): void {
    if (!this.#said.has(topic)) this.messages.warn(text);
    this.#said.add(topic);
  }
}

/** Formats the number of problems of each device: `problems: ap-7 12, gw-2 3`. */
function problemsText(problems: readonly NamedCount[]): string {
  if (problems.length === 0) return 'no problems';
  const shown = problems.slice(0, MAX_DEVICES).map(({ name, count }) => `${name} ${count}`);
  const rest = problems.slice(MAX_DEVICES).reduce((sum, { count }) => sum + count, 0);
  if (rest > 0) shown.push(`${problems.length - MAX_DEVICES} more ${rest}`);
  return `problems: ${shown.join(', ')}`;
}

function counted(events: number): string {
  return `${events.toLocaleString('en-US')} ${events === 1 ? 'event' : 'events'}`;
}

function typesIn(types: readonly string[]): string {
  const shown = types.slice(0, MAX_TYPES).join(', ');
  return types.length > MAX_TYPES ? `${shown}, …` : shown;
}
