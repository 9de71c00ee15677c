/**
 * Timers that look up the global functions at each call. Our code takes the timers of `node:timers` while it loads, so
 * that a test runner cannot stop it; a test of its waits needs `vi.mock('node:timers', () => import(…))` with this.
 */
export const setTimeout: typeof globalThis.setTimeout = ((
  ...args: Parameters<typeof globalThis.setTimeout>
) => globalThis.setTimeout(...args)) as typeof globalThis.setTimeout;
export const setInterval: typeof globalThis.setInterval = ((
  ...args: Parameters<typeof globalThis.setInterval>
) => globalThis.setInterval(...args)) as typeof globalThis.setInterval;
export const setImmediate: typeof globalThis.setImmediate = ((
  ...args: Parameters<typeof globalThis.setImmediate>
) => globalThis.setImmediate(...args)) as typeof globalThis.setImmediate;
export const clearTimeout: typeof globalThis.clearTimeout = (timer) => globalThis.clearTimeout(timer);
export const clearInterval: typeof globalThis.clearInterval = (timer) => globalThis.clearInterval(timer);
export const clearImmediate: typeof globalThis.clearImmediate = (timer) => globalThis.clearImmediate(timer);
