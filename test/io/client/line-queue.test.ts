import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventHead } from '../../../src/core/recording/encoder.js';
import type { LineBatch } from '../../../src/core/recording/format.js';
import { LineQueue } from '../../../src/io/client/line-queue.js';
import type { Clock } from '../../../src/io/clock.js';

vi.mock('node:timers', () => import('../../support/late-timers.js'));

const KiB = 1024;
const MiB = 1024 * KiB;
const LF = 0x0a;

/** A queue whose timers and clock are the test's, and what it told whoever feeds it. */
class Fed {
  readonly pauses: boolean[] = [];
  readonly queue: LineQueue;
  written = 0;
  refused = 0;

  constructor(maxBytes = 4 * MiB) {
    const clock: Clock = {
      nowMicros: () => Date.now() * 1000,
      monotonicMs: () => Date.now(),
      sleep: () => Promise.resolve(),
    };
    this.queue = new LineQueue(maxBytes, (paused) => this.pauses.push(paused), clock);
  }

  get isPaused(): boolean {
    return this.pauses.at(-1) ?? false;
  }

  /** Writes lines of a length, as many as are accepted. */
  feed(count: number, length: number): void {
    for (let i = 0; i < count; i++) {
      if (this.queue.accepts(length)) {
        this.queue.writeLine(line(length));
        this.written++;
      } else this.refused++;
    }
  }

  /** Takes batches until there is none that can be had at once. */
  async drain(): Promise<number> {
    let lines = 0;
    while (lines < this.written) {
      const { value } = await this.queue.next();
      lines += (value as LineBatch).count;
      (value as LineBatch).release?.();
    }
    return lines;
  }
}

function line(length: number, letter = 'x'): Buffer {
  const bytes = Buffer.alloc(length, letter);
  bytes[length - 1] = LF;
  return bytes;
}

const text = ({ value }: IteratorResult<LineBatch>) => (value as LineBatch).bytes.toString();

describe('batches', () => {
  it('hold all lines of one turn, and are given as soon as a reader waits', async () => {
    const { queue } = new Fed();
    const first = queue.next();
    queue.writeLine(Buffer.from('{"a":1}\n'));
    queue.writeEvent(eventHead('2026-11-22T00:00:00.000000Z', 'devices'), Buffer.from('{"b":2}'), false);
    expect(text(await first)).toBe(
      '{"a":1}\n{"received_at":"2026-11-22T00:00:00.000000Z","endpoint":"devices","b":2}\n',
    );
    expect((await first).value).toMatchObject({ count: 2 });
    queue.writeLine(Buffer.from('{}\n'));
    expect(text(await queue.next())).toBe('{}\n');
  });

  it('the end comes once, after the queued lines, and to each waiting reader', async () => {
    const { queue } = new Fed();
    queue.writeLine(Buffer.from('{}\n'));
    queue.end();
    queue.end();
    expect(text(await queue.next())).toBe('{}\n');
    expect(await queue.next()).toEqual({ done: true, value: undefined });
    expect(await queue.next()).toEqual({ done: true, value: undefined });
    const other = new Fed().queue;
    const waiting = other.next();
    other.end();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('a line written in the turn of the end reaches the waiting reader', async () => {
    const { queue } = new Fed();
    const waiting = queue.next();
    queue.writeLine(Buffer.from('{}\n'));
    queue.end();
    expect(text(await waiting)).toBe('{}\n');
    expect((await queue.next()).done).toBe(true);
  });

  it('a line longer than a block, and longer than all memory, is whole', async () => {
    const { queue } = new Fed(MiB);
    for (const length of [64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 3 * MiB]) {
      expect(queue.accepts(length)).toBe(true);
      queue.writeLine(Buffer.from('{}\n'));
      queue.writeLine(line(length));
      queue.writeLine(Buffer.from('[]\n'));
      let all = '';
      while (all.length < length + 6) all += text(await queue.next());
      expect(all === `{}\n${line(length)}[]\n`).toBe(true);
    }
  });

  it('whatever comes and whenever it is taken: same bytes, same order, whole lines, true counts', async () => {
    const step = fc.oneof(
      fc.record({ write: fc.integer({ min: 1, max: 300 }), big: fc.constant(false) }),
      fc.record({ write: fc.integer({ min: 1, max: 200 * KiB }), big: fc.constant(true) }),
      fc.record({ take: fc.boolean() }),
      fc.record({ turn: fc.constant(true) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { queue } = new Fed(64 * MiB);
        const sent: Buffer[] = [];
        const got: Buffer[] = [];
        const keep = (result: IteratorResult<LineBatch>, release: boolean) => {
          if (result.done) return;
          const { bytes, count } = result.value;
          const copy = Buffer.from(bytes);
          expect(copy.at(-1)).toBe(LF);
          expect(copy.filter((byte) => byte === LF).length).toBe(count);
          got.push(copy);
          // Memory that is given back may be overwritten; memory that is not may not.
          if (release) result.value.release?.();
          else held.push([bytes, copy]);
        };
        const held: [Buffer, Buffer][] = [];
        let taken = 0;
        let letters = 0;
        for (const one of steps) {
          if ('write' in one) {
            sent.push(line(one.write, String.fromCharCode(97 + (letters++ % 26))));
            queue.writeLine(sent.at(-1)!);
          } else if ('take' in one) {
            if (sent.length > taken) {
              const result = await queue.next();
              taken += (result.value as LineBatch).count;
              keep(result, one.take);
            }
          } else await new Promise((resolve) => setImmediate(resolve));
        }
        queue.end();
        for await (const batch of queue) keep({ done: false, value: batch }, false);
        expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
        for (const [bytes, copy] of held) expect(bytes.equals(copy)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a slow reader', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('first pauses the network for a moment, until it has taken most of it', async () => {
    const fed = new Fed();
    fed.feed(8, 64 * KiB);
    expect(fed.pauses).toEqual([]);
    fed.feed(1, 64 * KiB);
    expect(fed.pauses).toEqual([true]);
    expect(await fed.drain()).toBe(9);
    // The last batch is still in its hands; asking for more says that it is done.
    void fed.queue.next();
    expect(fed.pauses).toEqual([true, false]);
    expect(fed.refused).toBe(0);
  });

  it('that takes something now and then is waited for', async () => {
    const fed = new Fed();
    fed.feed(16, 64 * KiB);
    for (let i = 0; i < 6; i++) {
      await vi.advanceTimersByTimeAsync(150);
      await fed.queue.next();
      expect(fed.isPaused).toBe(true);
    }
  });

  it('that takes nothing for 200 ms is not waited for: memory has to serve, up to the limit', async () => {
    const fed = new Fed();
    fed.feed(9, 64 * KiB);
    await vi.advanceTimersByTimeAsync(199);
    expect(fed.isPaused).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(fed.isPaused).toBe(false);
    fed.feed(50, 64 * KiB);
    expect(fed.pauses).toEqual([true, false]);
    expect(fed.refused).toBe(0);
  });

  it('is waited for once more when memory is full, for 5 s; then lines are refused', async () => {
    const fed = new Fed();
    fed.feed(9, 64 * KiB);
    await vi.advanceTimersByTimeAsync(200);
    fed.feed(56, 64 * KiB);
    expect(fed.pauses).toEqual([true, false, true]);
    await vi.advanceTimersByTimeAsync(4999);
    expect(fed.isPaused).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(fed.isPaused).toBe(false);
    const before = fed.written;
    fed.feed(1000, 64 * KiB);
    expect([fed.written, fed.refused]).toEqual([before, 1000]);
    // No pause after that: a paused client answers no pings.
    await vi.advanceTimersByTimeAsync(600_000);
    expect(fed.pauses).toEqual([true, false, true, false]);
    // Every line that was accepted is there.
    expect(await fed.drain()).toBe(before);
    void fed.queue.next();
    expect(fed.queue.accepts(64 * KiB)).toBe(true);
  });

  it('is paused for no longer than 5 s on end, however fast lines come', async () => {
    const fed = new Fed();
    let paused = 0;
    let longest = 0;
    let taken = 0;
    for (let tick = 0; tick < 3000; tick++) {
      if (!fed.isPaused) fed.feed(20, 32 * KiB);
      // A reader that takes a batch twice a second.
      if (tick % 50 === 0 && taken < fed.written)
        taken += ((await fed.queue.next()).value as LineBatch).count;
      await vi.advanceTimersByTimeAsync(10);
      paused = fed.isPaused ? paused + 10 : 0;
      longest = Math.max(longest, paused);
    }
    expect(longest).toBeLessThanOrEqual(5000);
    expect(fed.refused).toBeGreaterThan(0);
  });

  it('costs no more memory than the limit and the messages under way', async () => {
    for (const limit of [64 * KiB, MiB, 4 * MiB]) {
      const fed = new Fed(limit);
      while (fed.refused === 0) {
        if (!fed.isPaused) fed.feed(10, 1000);
        await vi.advanceTimersByTimeAsync(100);
      }
      fed.feed(1000, 1000);
      fed.queue.end();
      let held = 0;
      for await (const { bytes } of fed.queue) held += bytes.length;
      expect(held).toBe(fed.written * 1000);
      expect(held).toBeLessThanOrEqual(limit + 10 * 1000);
      expect(held).toBeGreaterThan(limit / 2);
    }
  });
});

it('uses a block again once only, however often its batch is given back', async () => {
  const fed = new Fed(64 * MiB);
  fed.feed(1, 100);
  const first = (await fed.queue.next()).value as LineBatch;
  first.release?.();
  first.release?.();
  // Three blocks, two of which would be the same one.
  const batches: LineBatch[] = [];
  for (const letter of 'abc') {
    fed.queue.writeLine(line(100, letter));
    batches.push((await fed.queue.next()).value as LineBatch);
  }
  expect(batches.map(({ bytes }) => String.fromCharCode(bytes[0]!))).toEqual(['a', 'b', 'c']);
});
