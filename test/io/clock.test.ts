import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Stamper, systemClock } from '../../src/io/clock.js';
import { OwnedClock } from '../support/owned-clock.js';

const SECOND = 1_000_000;

describe('the times of a connection', () => {
  it('follow the wall clock where it starts and the monotonic clock from there', () => {
    const clock = new OwnedClock();
    const start = clock.nowMicros();
    const stamper = new Stamper(clock);
    expect(stamper.stampMicros()).toBe(start);
    clock.pass(1.5);
    expect(stamper.stampMicros()).toBe(start + 1500);
    clock.setWall(400);
    expect(stamper.stampMicros()).toBe(start + 1500);
  });

  it('are anchored anew when the wall clock is over a second ahead: after suspend or correction', () => {
    const clock = new OwnedClock();
    const start = clock.nowMicros();
    const stamper = new Stamper(clock);
    clock.setWall(1000);
    expect(stamper.stampMicros()).toBe(start);
    clock.setWall(0.001);
    expect(stamper.stampMicros()).toBe(start + SECOND + 1);
    clock.suspend(3_600_000);
    expect(stamper.stampMicros()).toBe(start + SECOND + 1 + 3600 * SECOND);
  });

  it.each([[-1], [-3_600_000], [-Date.UTC(2026, 10, 22)]])(
    'do not go back when the clock is set by %d ms',
    (change) => {
      const clock = new OwnedClock();
      const stamper = new Stamper(clock);
      const before = stamper.stampMicros();
      clock.setWall(change);
      expect(stamper.stampMicros()).toBe(before);
      clock.pass(10);
      expect(stamper.stampMicros()).toBe(before + 10_000);
      // A new connection starts from what the wall clock says now.
      expect(new Stamper(clock).stampMicros()).toBe(clock.nowMicros());
    },
  );

  it('never run backwards and are whole microseconds, whatever the clocks do', () => {
    const step = fc.oneof(
      fc.record({ pass: fc.double({ min: 0, max: 10_000, noNaN: true }) }),
      fc.record({ set: fc.integer({ min: -10_000_000, max: 10_000_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const clock = new OwnedClock();
        const stamper = new Stamper(clock);
        let last = 0;
        for (const one of steps) {
          if ('pass' in one) clock.pass(one.pass);
          else clock.setWall(one.set);
          const stamp = stamper.stampMicros();
          expect(Number.isInteger(stamp)).toBe(true);
          expect(stamp).toBeGreaterThanOrEqual(last);
          last = stamp;
        }
      }),
    );
  });
});

describe('the clock of the machine', () => {
  it('waits for any length without ending at once', async () => {
    const stop = new AbortController();
    let isOver = false;
    const waits = [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY].map((length) =>
      systemClock.sleep(length, stop.signal),
    );
    void Promise.race(waits).then(() => {
      isOver = true;
    });
    await systemClock.sleep(30);
    expect(isOver).toBe(false);
    stop.abort();
    await Promise.all(waits);
  });

  it('takes all of its timers along when it is stopped', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    const stop = new AbortController();
    const waiting = Array.from({ length: 10 }, () => systemClock.sleep(60_000, stop.signal));
    stop.abort();
    await Promise.all(waiting);
    await systemClock.sleep(60_000, stop.signal);
    expect(timers()).toBeLessThan(before + 10);
  });

  it('has a wall clock in microseconds and a monotonic one in milliseconds', () => {
    const earliest = Date.now() * 1000;
    expect(systemClock.nowMicros()).toBeGreaterThanOrEqual(earliest);
    expect(systemClock.nowMicros()).toBeLessThan(earliest + 10_000_000);
    const before = systemClock.monotonicMs();
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(before);
  });
});
