import { expect, it, vi } from 'vitest';
import { StopRequests } from '../../src/cli/stop-requests.js';

it('takes the same signal right after the first for its echo, as npm and timeout make one', () => {
  // A second signal ends this process 0.3 s later, whatever comes of the exit message.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const requests = new StopRequests(false);
  let died = false;
  requests.onForcedExit = () => {
    died = true;
    // Or this process would die at once.
    throw new Error('taken for a second signal');
  };
  try {
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    expect(requests.stop.aborted).toBe(true);
    expect(died).toBe(false);
    expect(() => process.emit('SIGTERM', 'SIGTERM')).toThrow('second signal');
  } finally {
    requests.release();
    vi.useRealTimers();
  }
});

it('lets a command handle SIGHUP, with those that follow within a second; a later one is a stop', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] });
  const requests = new StopRequests(false);
  let toHandle = 1;
  requests.onHangup = () => toHandle-- > 0;
  try {
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    vi.advanceTimersByTime(900);
    process.emit('SIGHUP', 'SIGHUP');
    expect([requests.signal, requests.stop.aborted]).toEqual([undefined, false]);
    vi.advanceTimersByTime(200);
    process.emit('SIGHUP', 'SIGHUP');
    expect([requests.signal, requests.stop.aborted]).toEqual(['SIGHUP', true]);
  } finally {
    requests.release();
    vi.useRealTimers();
  }
});
