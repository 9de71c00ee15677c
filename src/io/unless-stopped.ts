/**
 * Waits for a promise; `undefined` when everything stops before it settles, though its work may continue.
 *
 * @param stopping Without it, nothing ever stops.
 */
export function unlessStopped<T>(
  promise: Promise<T>,
  stopping: AbortSignal | undefined,
): Promise<T | undefined> {
  if (stopping === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined);
    stopping.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => stopping.removeEventListener('abort', stop));
    if (stopping.aborted) stop();
  });
}
