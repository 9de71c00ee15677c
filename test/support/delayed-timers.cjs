/** Makes the timers of this process from a length on half a minute late: see `delayedTimers`. */
const timers = require('node:timers');
const { setTimeout } = globalThis;

const fromMs = Number(process.env.DELAYED_FROM_MS);
const delayed = /** @param {[callback: () => void, ms?: number]} given */ (...[callback, ms = 0, ...rest]) =>
  setTimeout(callback, ms >= fromMs ? ms + 30_000 : ms, ...rest);
Object.assign(timers, { setTimeout: Object.assign(delayed, setTimeout) });
Object.assign(globalThis, { setTimeout: timers.setTimeout });
require('node:module').syncBuiltinESMExports();
