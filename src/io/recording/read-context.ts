import { OpmasError } from '../../core/errors.js';
import { type Filter, keepsLine } from '../../core/filter/filter.js';
import { BatchBuilder } from '../../core/recording/encoder.js';
import { type ContextOptions, EventContext } from '../../core/recording/event-context.js';
import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import type { LineView } from '../../core/recording/line-view.js';
import { DEFAULT_BUFFER_BYTES } from './part.js';
import type { ReadProblem } from './read-problems.js';
import type { RecordingReader } from './reader.js';

interface AroundOptions extends ContextOptions {
  filter?: Filter | undefined;
  keep?: ((line: LineView) => boolean) | undefined;
  count?: number | undefined;
  maxBufferBytes?: number | undefined;
  onProblem?: ((problem: ReadProblem) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Gives the lines that the filter keeps, and those around them. @param batchBytes Size of the batches. */
export async function* readAround(
  reader: RecordingReader,
  batchBytes: number,
  options: AroundOptions,
): AsyncGenerator<LineBatch, void, undefined> {
  const lines = new LinesAround(batchBytes, options);
  do {
    for (let line = reader.next(); line !== undefined && !lines.isOver; line = reader.next()) {
      try {
        lines.take(line);
      } catch (error) {
        // A filter that fails at this line has judged the lines before.
        yield* lines.ready(true);
        throw error;
      }
      yield* lines.ready();
      if (options.signal?.aborted) return;
    }
    yield* lines.ready(true);
  } while (!lines.isOver && (await reader.fill()));
  lines.end();
  yield* lines.ready(true);
}

class LinesAround {
  /** Nothing more is wanted. */
  isOver = false;
  readonly #options: AroundOptions;
  readonly #maxBytes: number;
  readonly #context: EventContext;
  readonly #batch: BatchBuilder;
  #ready: LineBatch[] = [];
  #left: number;
  /** The context cannot be told without times. */
  #needsTime: boolean;

  constructor(batchBytes: number, options: AroundOptions) {
    const {
      before,
      after,
      count = Number.POSITIVE_INFINITY,
      maxBufferBytes = DEFAULT_BUFFER_BYTES,
    } = options;
    this.#options = options;
    this.#maxBytes = maxBufferBytes;
    this.#batch = new BatchBuilder(batchBytes);
    this.#context = new EventContext(options, maxBufferBytes, (line, lifecycle) =>
      this.#write(line, 0, line.length - 1, lifecycle),
    );
    this.#left = count;
    this.#needsTime = [before, after].some((span) => span !== undefined && 'ms' in span);
  }

  take(line: LineView): void {
    const { bytes, start, end, kind, receivedAt, connection, endpoint = '', frame } = line;
    const { filter, keep = () => true, after } = this.#options;
    const context = this.#context;
    if (kind === 'connection') {
      if (!keep(line)) return;
      const lifecycle = connection && { endpoint, connection };
      if (context.waits(receivedAt)) context.hold(bytes, start, end, lifecycle);
      else this.#write(bytes, start, end, lifecycle);
      return;
    }
    if (this.#needsTime && Number.isNaN(receivedAt)) throw withoutTimes();
    this.#needsTime = false;
    // Each event after the last one that is wanted is its context, even if it matches.
    if (this.#left > 0 && keepsLine(filter, kind, frame, endpoint, line)) {
      if (!keep(line)) return;
      this.#give(context.match(receivedAt));
      this.#write(bytes, start, end);
      if (kind === 'event') this.#left--;
      this.isOver = this.#left <= 0 && after === undefined;
      return;
    }
    const place = context.place(receivedAt);
    if (place === 'give') this.#write(bytes, start, end);
    else if (this.#left <= 0) this.isOver = true;
    else if (place === 'hold') context.hold(bytes, start, end);
  }

  /** Ends it: lifecycle lines that waited for events are given. */
  end(): void {
    this.#context.end();
    const { cut } = this.#context;
    if (cut > 0) this.#report(`the context of ${cut} ${cut === 1 ? 'event' : 'events'} is not whole`);
  }

  /** Returns batches that are full. @param isEnd Return all lines. */
  ready(isEnd = false): LineBatch[] {
    if (isEnd && this.#batch.count > 0) this.#ready.push(this.#batch.take());
    const ready = this.#ready;
    if (ready.length > 0) this.#ready = [];
    return ready;
  }

  #give(batches: readonly LineBatch[]): void {
    if (batches.length > 0 && this.#batch.count > 0) this.#ready.push(this.#batch.take());
    this.#ready.push(...batches);
  }

  #write(bytes: Buffer, start: number, end: number, lifecycle?: Omit<LifecycleEntry, 'start' | 'end'>): void {
    if (!this.#batch.hasRoomFor(end - start + 1)) this.#ready.push(this.#batch.take());
    this.#batch.addLine(bytes, start, end, lifecycle);
  }

  #report(what: string): void {
    const size = Number((this.#maxBytes / 2 ** 20).toPrecision(3));
    const message = `${what}: it takes more than ${size} MiB of memory`;
    this.#options.onProblem?.({ kind: 'selection', source: '', line: 0, offset: 0, message });
  }
}

function withoutTimes(): OpmasError {
  return new OpmasError('USAGE', 'the recording does not say when its events came (received_at)', {
    hint: 'Say how many events are wanted around an event, in place of a time.',
  });
}
