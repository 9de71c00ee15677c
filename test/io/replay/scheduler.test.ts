import { afterEach, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/io/clock.js';
import { Scheduler, type Task } from '../../../src/io/replay/scheduler.js';

const DAY_MS = 86_400_000;

/** A task with a list of due times; records when each was done. */
class Work implements Task {
  readonly done: number[] = [];
  #times: readonly number[];
  #onDone: () => void = () => undefined;

  constructor(times: readonly number[]) {
    this.#times = times;
  }

  moveTo(times: readonly number[]): void {
    this.#times = times;
  }

  get dueAtMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  advance(now: number): void {
    while (this.dueAtMs <= now) {
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

const schedulers: Scheduler[] = [];
afterEach(() => {
  for (const scheduler of schedulers.splice(0)) scheduler.stop();
});

function schedulerFor(precise: boolean, clock = systemClock): Scheduler {
  const scheduler = new Scheduler(clock, precise);
  schedulers.push(scheduler);
  return scheduler;
}

it.each([true, false])(
  'does nothing before its time, and all of it in the end (precise: %s)',
  async (precise) => {
    const start = performance.now();
    const scheduler = schedulerFor(precise);
    const works = [0, 1, 2].map((offset) => {
      const times = Array.from({ length: 100 }, (_, i) => start + 20 + i + offset / 3);
      return { times, work: new Work(times) };
    });
    const finished = works.map(({ work }) => work.finished());
    for (const { work } of works) scheduler.add(work);
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
  const scheduler = schedulerFor(true);
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  const finished = work.finished();
  scheduler.add(work);
  await finished;
  clearInterval(turning);
  expect(turns).toBeGreaterThan(10);
});

it('leaves out a task that was removed', async () => {
  const now = performance.now();
  const scheduler = schedulerFor(true);
  const [gone, here] = [new Work([now + 1]), new Work([now + 5])];
  const finished = here.finished();
  scheduler.add(gone);
  scheduler.add(here);
  scheduler.remove(gone);
  await finished;
  expect(gone.done).toEqual([]);
});

it('sees a due time that has changed when it is told', async () => {
  const scheduler = schedulerFor(true);
  const work = new Work([performance.now() + DAY_MS]);
  const finished = work.finished();
  scheduler.add(work);
  await new Promise((resolve) => setImmediate(resolve));
  work.moveTo([performance.now()]);
  scheduler.reschedule();
  await finished;
});

it('gaps of days do not fire at once', async () => {
  let now = 0;
  const work = new Work([40 * DAY_MS]);
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => now,
    // Wakes early, as a clock may.
    sleep: async (milliseconds) => {
      expect(work.done).toEqual([]);
      now += Math.min(milliseconds, DAY_MS);
    },
  };
  const finished = work.finished();
  schedulerFor(false, clock).add(work);
  await finished;
  expect(work.done).toHaveLength(1);
  expect(now).toBe(40 * DAY_MS);
});
