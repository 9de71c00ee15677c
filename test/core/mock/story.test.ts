import { describe, expect, it } from 'vitest';
import type { StoryEvent } from '../../../src/core/mock/site.js';
import { STORY_EPOCH_MS, tellStory } from '../../../src/core/mock/story.js';
import { ENDPOINTS, EVENT_TYPES, endpointOfType } from '../../../src/core/protocol.js';

function first(steps: number, seed: number, startMs?: number): StoryEvent[] {
  const story = tellStory(seed, startMs);
  return Array.from({ length: steps }, () => story.next().value).flat();
}

const seeds = Array.from({ length: 50 }, (_, seed) => seed * 7919);

describe('tellStory', () => {
  it('tells the same for the same seed, and something else for another', () => {
    expect(first(200, 42)).toEqual(first(200, 42));
    expect(first(20, 42)).not.toEqual(first(20, 43));
  });

  it('gives each endpoint one event in each step, under its own types and subjects', () => {
    for (const [index, { endpoint, type, subject, data }] of first(500, 1).entries()) {
      expect(endpoint).toBe(ENDPOINTS[index % 4]);
      expect(endpointOfType(type)).toBe(endpoint);
      expect(subject).toMatch(new RegExp(`^opmas\\.${endpoint}\\.[a-z0-9-]+$`));
      expect(data.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    }
  });

  it.each(seeds)('brings all twelve types within the first 36 events (seed %i)', (seed) => {
    expect(new Set(first(9, seed).map(({ type }) => type))).toEqual(new Set(EVENT_TYPES));
  });

  it('runs on its own time, which never goes back', () => {
    const times = first(300, 3, Date.UTC(2030, 0, 1)).map(({ data }) => String(data.timestamp));
    expect(times.toSorted()).toEqual(times);
    expect(times[0]).toMatch(/^2030-01-01T00:00:00/);
    expect(String(first(1, 3)[0]?.data.timestamp).slice(0, 19)).toBe(
      new Date(STORY_EPOCH_MS).toISOString().slice(0, 19),
    );
  });

  it.each(seeds.slice(0, 10))(
    'follows one router through illness, rule and alert to recovery (seed %i)',
    (seed) => {
      const events = first(400, seed);
      // The last case may be cut off by the end.
      const errors = events.slice(0, -20).filter(({ type }) => type === 'device.error');
      expect(errors.length).toBeGreaterThan(10);
      for (const error of errors) {
        const device = error.data.device_id;
        const at = events.indexOf(error);
        const about = events.slice(at - 8, at + 20).filter(({ data }) => data.device_id === device);
        const chapters = about.map(({ type, data }) =>
          `${type} ${data.status ?? data.state ?? data.matched ?? ''}`.trim(),
        );
        const plot = [
          'device.status_update degraded',
          'rule.execution_start',
          'device.error',
          'rule.triggered',
          'device.status_update critical',
          'rule.execution_complete true',
          'system.alert raised',
          'device.config_change',
          'device.status_update recovering',
          'rule.execution_complete false',
          'device.status_update online',
          'system.alert resolved',
        ];
        let next = 0;
        for (const chapter of chapters) if (chapter === plot[next]) next++;
        expect(plot.slice(next)).toEqual([]);
      }
    },
  );

  it('starts each execution of a rule before it triggers or completes, and completes each', () => {
    const running = new Set<unknown>();
    for (const { type, data } of first(500, 5)) {
      if (type === 'rule.execution_start') running.add(data.execution_id);
      if (type === 'rule.triggered') expect(running).toContain(data.execution_id);
      if (type === 'rule.execution_complete') expect(running.delete(data.execution_id)).toBe(true);
    }
    expect(running.size).toBeLessThanOrEqual(1);
  });
});
