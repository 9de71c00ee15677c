import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { Sandbox } from '../cli/sandbox.js';

/**
 * The longest end of a command that may take 2 s for it, on a machine that is busy with other tests. A recorder that
 * publishes may take 8 s, and what waits for its reader, its server or its children takes longer than that.
 */
export const SHUTDOWN_MS = 7000;

/** The longest end of a command that waits for no timer, where timers are delayed: see {@link delayedTimers}. */
export const NO_TIMER_MS = 12_000;

const DELAYED_TIMERS = `
const timers = require('node:timers');
const onTime = globalThis.setTimeout;
const delayed = (callback, ms, ...rest) => onTime(callback, ms >= 1000 ? ms + 30000 : ms, ...rest);
globalThis.setTimeout = timers.setTimeout = Object.assign(delayed, onTime);
require('node:module').syncBuiltinESMExports();
`;

/**
 * Environment of a process whose timers of a second and more are half a minute late. What ends at once does not need
 * them: so a busy machine is told from a process that only ends because its time is up.
 */
export function delayedTimers(sandbox: Sandbox): Record<string, string> {
  const program = join(sandbox.home, 'delayed-timers.cjs');
  writeFileSync(program, DELAYED_TIMERS);
  return { NODE_OPTIONS: `--require=${program}` };
}

/** Resolves when a check passes. The default limit is for what never comes when something is wrong. */
export function eventually<T>(check: () => T | Promise<T>, limitMs = 30_000): Promise<T> {
  return vi.waitFor(check, { timeout: limitMs, interval: 20 });
}
