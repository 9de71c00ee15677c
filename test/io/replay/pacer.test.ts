import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/io/clock.js';
import { type Paced, Pacer } from '../../../src/io/replay/pacer.js';

const DAY_MS = 86_400_000;

/** Something with a list of due times; says when each was done. */
class Work implements Paced {
  readonly done: number[] = [];
  #times: readonly number[];
  #onDone: () => void = () => undefined;

  constructor(times: readonly number[]) {
    this.#times = times;
  }

  moveTo(times: readonly number[]): void {
    this.#times = times;
  }

  get dueAt(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  advance(now: number): void {
    while (this.dueAt <= now) {
      this.done.push(now);
      this.#times = this.#times.slice(1);
    }
    if (this.#times.length === 0) this.#onDone();
  }

  finished(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDone = resolve;
    });
  }
}

const pacers: Pacer[] = [];
afterEach(() => {
  for (const pacer of pacers.splice(0)) pacer.stop();
});

function pacerFor(precise: boolean, clock = systemClock): Pacer {
  const pacer = new Pacer({ clock, precise });
  pacers.push(pacer);
  return pacer;
}

it.each([true, false])(
  'does nothing before its time, and all of it in the end (precise: %s)',
  async (precise) => {
    const start = performance.now();
    const pacer = pacerFor(precise);
    const works = [0, 1, 2].map((offset) => {
      const times = Array.from({ length: 100 }, (_, i) => start + 20 + i + offset / 3);
      return { times, work: new Work(times) };
    });
    const finished = works.map(({ work }) => work.finished());
    for (const { work } of works) pacer.add(work);
    await Promise.all(finished);
    for (const { times, work } of works) {
      expect(work.done.length).toBe(times.length);
      for (const [i, time] of times.entries()) expect(work.done[i]).toBeGreaterThanOrEqual(time);
    }
  },
);

it('lets the loop turn between naps', async () => {
  const start = performance.now();
  const work = new Work(Array.from({ length: 300 }, (_, i) => start + i));
  const pacer = pacerFor(true);
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const finished = work.finished();
  pacer.add(work);
  await finished;
  clearInterval(turning);
  expect(turns).toBeGreaterThan(10);
});

it('leaves out who has been removed', async () => {
  const now = performance.now();
  const pacer = pacerFor(true);
  const [gone, here] = [new Work([now + 1]), new Work([now + 5])];
  const finished = here.finished();
  pacer.add(gone);
  pacer.add(here);
  pacer.remove(gone);
  await finished;
  expect(gone.done).toEqual([]);
});

it('sees a due time that has changed when it is told', async () => {
  const pacer = pacerFor(true);
  const work = new Work([performance.now() + DAY_MS]);
  const finished = work.finished();
  pacer.add(work);
  await new Promise((resolve) => setImmediate(resolve));
  work.moveTo([performance.now()]);
  pacer.reschedule();
  await finished;
});

it('gaps of days do not fire at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  try {
    let now = 0;
    const clock = { ...systemClock, monotonicMs: () => now };
    const pacer = pacerFor(true, clock);
    const work = new Work([40 * DAY_MS]);
    pacer.add(work);
    for (let day = 0; day < 40; day++) {
      expect(work.done).toEqual([]);
      for (let hour = 0; hour < 24; hour++) {
        now += DAY_MS / 24;
        await vi.advanceTimersByTimeAsync(DAY_MS / 24);
      }
    }
    await vi.advanceTimersByTimeAsync(DAY_MS / 24);
    expect(work.done.length).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
