/**
 * The large parts of the library, each loaded when it is first used: a program that only tails a stream does not wait
 * for the code that records, replays or diagnoses.
 */

/** Compiles a filter from patterns and an expression. More in `core/filter/filter.ts`. */
export const compileFilter: typeof import('../core/filter/filter.js').compileFilter = async (...args) => {
  const module = await import('../core/filter/filter.js');
  return await module.compileFilter(...args);
};

/** Finds out why there are no events, check by check; the verdict is the return value. More in `diagnosis/diagnose.ts`. */
export const diagnose: typeof import('./diagnosis/diagnose.js').diagnose = async function* (...args) {
  const module = await import('./diagnosis/diagnose.js');
  return yield* module.diagnose(...args);
};

/** Reads recordings in constant memory, several merged by time. More in `recording/reader.ts`. */
export const readRecording: typeof import('./recording/read-recording.js').readRecording = async function* (
  ...args
) {
  const module = await import('./recording/read-recording.js');
  yield* module.readRecording(...args);
};

/** Reads recordings once, in constant memory, and says what is in them. More in `recording/inspect.ts`. */
export const inspectRecording: typeof import('./recording/inspect.js').inspectRecording = async (...args) => {
  const module = await import('./recording/inspect.js');
  return await module.inspectRecording(...args);
};

/** Opens a recording for writing and takes its lock. More in `recording/writer.ts`. */
export const openRecording: typeof import('./recording/writer.js').openRecording = async (...args) => {
  const module = await import('./recording/writer.js');
  return await module.openRecording(...args);
};

/** Serves a recording as a local OPMAS API. More in `replay/serve-recording.ts`. */
export const serveRecording: typeof import('./replay/serve-recording.js').serveRecording = async (
  ...args
) => {
  const module = await import('./replay/serve-recording.js');
  return await module.serveRecording(...args);
};

/** Logs in with user and password. More in `token/login.ts`. */
export const login: typeof import('./token/login.js').login = async (...args) => {
  const module = await import('./token/login.js');
  return await module.login(...args);
};

/** Gets a new token for a refresh token. More in `token/login.ts`. */
export const refreshCredentials: typeof import('./token/login.js').refreshCredentials = async (...args) => {
  const module = await import('./token/login.js');
  return await module.refreshCredentials(...args);
};

/** Asks a server over HTTP, with limits of time and size. More in `http/http-request.ts`. */
export const httpRequest: typeof import('./http/http-request.js').httpRequest = async (...args) => {
  const module = await import('./http/http-request.js');
  return await module.httpRequest(...args);
};

/** Tells a refused token from other reasons after a bare 403 or a close 1008. More in `http/triage.ts`. */
export const triageRefusal: typeof import('./http/triage.js').triageRefusal = async (...args) => {
  const module = await import('./http/triage.js');
  return await module.triageRefusal(...args);
};
