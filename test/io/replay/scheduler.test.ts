import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/io/clock.js';
import { Scheduler, type Task } from '../../../src/io/replay/scheduler.js';

vi.mock('node:timers', () => import('../../support/late-timers.js'));

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
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  try {
    let now = 0;
    const clock = { ...systemClock, monotonicMs: () => now };
    const scheduler = schedulerFor(true, clock);
    const work = new Work([40 * DAY_MS]);
    scheduler.add(work);
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
