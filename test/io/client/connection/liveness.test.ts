import { describe, expect, it } from 'vitest';
import { Liveness, type LivenessVerdict } from '../../../../src/io/client/connection/liveness.js';
import { OwnedClock } from '../../../support/owned-clock.js';

/** A link that is looked at as often as it asks for. */
class Link {
  readonly clock = new OwnedClock();
  readonly traffic = { bytes: 0, messages: 0, controls: 0 };
  readonly liveness: Liveness;

  constructor(deadAfterMs = 25_000) {
    this.liveness = new Liveness(this.clock, deadAfterMs);
  }

  /** Looks until something is to be done; gives that and the milliseconds until then. */
  look(atMost = 100_000, meanwhile: () => void = () => undefined): [LivenessVerdict, number] {
    const start = this.clock.monotonicMs();
    while (this.clock.monotonicMs() - start < atMost) {
      this.clock.pass(this.liveness.intervalMs);
      meanwhile();
      const verdict = this.liveness.judge(this.traffic);
      if (verdict !== 'alive') return [verdict, this.clock.monotonicMs() - start];
    }
    return ['alive', atMost];
  }
}

describe('a silent link', () => {
  it('is asked after 10 s and dead after 25 s', () => {
    const link = new Link();
    expect(link.look()).toEqual(['ping', 10_000]);
    expect(link.look()).toEqual(['dead', 15_000]);
  });

  it('has the same proportions with other limits', () => {
    const link = new Link(1000);
    const [verdict, after] = link.look();
    expect(verdict).toBe('ping');
    expect(after).toBeGreaterThanOrEqual(400);
    expect(after).toBeLessThan(400 + 2 * link.liveness.intervalMs);
    const [second, later] = link.look();
    expect(second).toBe('dead');
    expect(after + later).toBeLessThan(1000 + 2 * link.liveness.intervalMs);
  });

  it('is asked once, and again only after it has answered', () => {
    const link = new Link();
    expect(link.look()[0]).toBe('ping');
    expect(link.look(10_000)[0]).toBe('alive');
    link.traffic.bytes += 2;
    link.traffic.controls++;
    expect(link.look()[0]).toBe('ping');
  });

  it('is asked long before a proxy cuts it, for as long as it answers', () => {
    const link = new Link();
    for (let i = 0; i < 30; i++) {
      const [verdict, after] = link.look();
      expect(verdict).toBe('ping');
      expect(after).toBeLessThan(15_000);
      link.traffic.bytes += 2;
      link.traffic.controls++;
    }
  });
});

describe('any byte is life', () => {
  it('data without pongs, even a byte of a message that is not whole', () => {
    const link = new Link();
    let looks = 0;
    const dataEach20Seconds = () => {
      if (++looks % 20 !== 0) return;
      link.traffic.bytes += 100;
      link.traffic.messages++;
    };
    for (let asked = 0; asked < 20; asked++) expect(link.look(100_000, dataEach20Seconds)[0]).toBe('ping');
  });

  it('but not a message that has been arriving for a minute', () => {
    const link = new Link();
    link.traffic.messages = 1;
    const [verdict, after] = link.look(200_000, () => {
      link.traffic.bytes += 1;
    });
    expect(verdict).toBe('dead');
    expect(after).toBeGreaterThan(60_000);
    expect(after).toBeLessThan(65_000);
  });

  it('not even when pings come in between', () => {
    const link = new Link();
    let looks = 0;
    const [verdict, after] = link.look(200_000, () => {
      link.traffic.bytes += 10;
      if (++looks % 7 === 0) link.traffic.controls++;
    });
    expect(verdict).toBe('dead');
    expect(after).toBeLessThan(65_000);
  });

  it('pings alone are life forever', () => {
    const link = new Link();
    const pings = () => {
      link.traffic.bytes += 2;
      link.traffic.controls++;
    };
    expect(link.look(3_600_000, pings)).toEqual(['alive', 3_600_000]);
  });
});

describe('time that could not be watched', () => {
  it('after a standstill what lies in the socket is read first, and the link has seconds to answer', () => {
    const link = new Link();
    link.clock.pass(60_000);
    expect(link.liveness.judge(link.traffic)).toBe('ping');
    const [verdict, after] = link.look();
    expect(verdict).toBe('dead');
    expect(after).toBeLessThanOrEqual(3000);
  });

  it('a link that answers after a standstill stays', () => {
    const link = new Link();
    link.clock.pass(60_000);
    expect(link.liveness.judge(link.traffic)).toBe('ping');
    link.traffic.bytes += 2;
    link.traffic.controls++;
    expect(link.look()).toEqual(['ping', 11_000]);
  });

  it('a suspended machine, whose monotonic clock stood still, is noticed by the wall clock', () => {
    const link = new Link();
    link.look(2000);
    link.clock.suspend(3_600_000);
    expect(link.look(1000)[0]).toBe('ping');
    expect(link.look()[1]).toBeLessThanOrEqual(3000);
  });

  it('a wall clock that is set back or forth kills no link that answers', () => {
    for (const change of [-3_600_000, 3_600_000, -Date.UTC(2026, 10, 22)]) {
      const link = new Link();
      link.look(2000);
      link.clock.setWall(change);
      const answer = () => {
        link.traffic.bytes += 2;
        link.traffic.controls++;
      };
      for (let i = 0; i < 5; i++) {
        expect(link.look(60_000)[0]).not.toBe('dead');
        answer();
      }
    }
  });

  it('a wall clock that is set is no suspension where the system tells how long the machine was suspended', () => {
    const link = new Link();
    let suspendedMs = 5_000_000;
    Object.assign(link.clock, { suspendedMs: () => suspendedMs });
    link.liveness.resetIdle();
    const silent = new Liveness(Object.assign(link.clock), 25_000, () => standstills++);
    let standstills = 0;
    for (const change of [3_600_000, -3_600_000, 5000]) {
      link.clock.setWall(change);
      link.clock.pass(silent.intervalMs);
      expect(silent.judge(link.traffic)).toBe('alive');
    }
    expect(standstills).toBe(0);
    link.clock.suspend(3_600_000);
    suspendedMs += 3_600_000;
    link.clock.pass(silent.intervalMs);
    expect([silent.judge(link.traffic), standstills]).toEqual(['ping', 1]);
  });

  it('a pause in reading is no silence of the server', () => {
    const link = new Link();
    expect(link.look()[0]).toBe('ping');
    link.clock.pass(24_000);
    link.liveness.resetIdle();
    expect(link.look()).toEqual(['ping', 10_000]);
    expect(link.look()).toEqual(['dead', 15_000]);
  });
});
