/** Sleeps again and again, as a replay does between events that are close together, until it is ended. */
const napping = new Int32Array(new SharedArrayBuffer(4));
const NAP_MS = 0.25;
const TURN_MS = 2;

const turn = () => {
  const end = performance.now() + TURN_MS;
  while (performance.now() < end) Atomics.wait(napping, 0, 0, NAP_MS);
  setImmediate(turn);
};
turn();
