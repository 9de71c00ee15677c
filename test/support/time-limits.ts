import { join } from 'node:path';
import { vi } from 'vitest';

/**
 * The longest end of a command that may take 2 s for it, on a machine that is busy with other tests. A recorder that
 * publishes may take 8 s, and what waits for its reader, its server or its children takes longer than that.
 */
export const SHUTDOWN_MS = 7000;

/** The longest end of a command that waits for no timer, where timers are delayed: see {@link delayedTimers}. */
export const NO_TIMER_MS = 12_000;

/**
 * Environment of a process whose longer timers are half a minute late. What ends at once does not need them: so a busy
 * machine is told from a process that only ends because its time is up. And what a busy machine makes slow is not cut
 * short by a limit of the program.
 *
 * @param fromMs Shorter timers are on time.
 */
export function delayedTimers(fromMs = 1000): Record<string, string> {
  const program = join(import.meta.dirname, 'delayed-timers.cjs');
  return { NODE_OPTIONS: `--require ${JSON.stringify(program)}`, DELAYED_FROM_MS: String(fromMs) };
}

/** Resolves when a check passes. The default limit is for what never comes when something is wrong. */
export function eventually<T>(check: () => T | Promise<T>, limitMs = 30_000): Promise<T> {
  return vi.waitFor(check, { timeout: limitMs, interval: 20 });
}
