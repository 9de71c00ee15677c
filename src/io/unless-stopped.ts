/**
 * What is waited for, or `undefined` when everything stops before it comes; it may go on by itself then.
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
