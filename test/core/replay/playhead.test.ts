import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Playhead } from '../../../src/core/replay/schedule.js';

const HOUR_MS = 3_600_000;
const speeds = fc.double({ min: 0.01, max: 1000, noNaN: true });

describe('Playhead', () => {
  test('stands at 0 at its start and moves at its speed', () => {
    const playhead = new Playhead(5000, 2);
    expect(playhead.position(5000)).toBe(0);
    expect(playhead.position(5001)).toBe(2000);
    expect(playhead.timeOf(4000)).toBe(5002);
  });

  test('timeOf is when position gets there, at any speed, for years', () => {
    fc.assert(
      fc.property(speeds, fc.double({ min: 0, max: 1e15, noNaN: true }), (speed, position) => {
        const playhead = new Playhead(123.456, speed);
        const error = Math.abs(playhead.position(playhead.timeOf(position)) - position);
        expect(error).toBeLessThanOrEqual(Math.max(1, position * 1e-9));
      }),
    );
  });

  test('an hour in wakes of any length is an hour: nothing adds up', () => {
    const playhead = new Playhead(0.1);
    let now = 0.1;
    while (now < HOUR_MS) now = playhead.timeOf(playhead.position(now) + 333.3);
    expect(playhead.position(now)).toBeCloseTo((now - 0.1) * 1000, 0);
  });

  test('changes of speed and pauses keep the position', () => {
    const steps = fc.array(
      fc.record({
        wait: fc.integer({ min: 0, max: 10_000 }),
        action: fc.constantFrom('pause', 'resume', 'faster', 'slower'),
      }),
      { maxLength: 50 },
    );
    fc.assert(
      fc.property(steps, (actions) => {
        const playhead = new Playhead(0);
        let now = 0;
        let expected = 0;
        for (const { wait, action } of actions) {
          now += wait;
          if (!playhead.paused) expected += wait * 1000 * playhead.speed;
          if (action === 'pause') playhead.pause(now);
          if (action === 'resume') playhead.resume(now);
          if (action === 'faster') playhead.setSpeed(Math.min(64, playhead.speed * 2), now);
          if (action === 'slower') playhead.setSpeed(Math.max(1 / 64, playhead.speed / 2), now);
          expect(playhead.position(now)).toBeCloseTo(expected, 3);
        }
      }),
    );
  });

  test('nothing after the position of a pause is ever reached', () => {
    const playhead = new Playhead(0);
    playhead.pause(10);
    expect(playhead.position(1e9)).toBe(10_000);
    expect(playhead.timeOf(10_001)).toBe(Number.POSITIVE_INFINITY);
    expect(playhead.timeOf(10_000)).toBe(10);
    playhead.pause(2e9);
    playhead.resume(3e9);
    expect(playhead.timeOf(10_001)).toBe(3e9 + 0.001);
  });
});
