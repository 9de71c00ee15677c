/**
 * A client of a server that sends at a fixed rate. It prints as JSON how late the frames are against the earliest (p50,
 * p99 and maximum in milliseconds), and the drift over the whole time. `node lateness-sink.mjs URL EVENTS RATE
 * RESOLUTION`: `RESOLUTION` is that of the recorded times, in milliseconds.
 */
import WebSocket from 'ws';
import { percentile } from '../statistics.mjs';
import { monotonicMs } from '../times.mjs';

const [url = '', events, rate, resolution] = process.argv.slice(2);
const stepMs = 1000 / Number(rate);
const resolutionMs = Number(resolution);
/** The first second does not count: it warms the code up. */
const skipped = Number(rate);
/** When each came, less when it was due. @type {number[]} */
const lateness = [];
let seen = 0;
const socket = new WebSocket(url, { perMessageDeflate: false });
socket.on('message', () => {
  const at = monotonicMs();
  const due = Math.floor((seen * stepMs) / resolutionMs) * resolutionMs;
  if (seen++ >= skipped) lateness.push(at - due);
  if (seen === Number(events)) finish();
});

function finish() {
  const earliest = lateness.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const late = lateness.map((value) => value - earliest);
  const tenth = Math.floor(late.length / 10);
  const drift = percentile(late.slice(-tenth), 50) - percentile(late.slice(0, tenth), 50);
  const result = {
    p50: percentile(late, 50),
    p99: percentile(late, 99),
    max: percentile(late, 100),
    driftPercent: Math.abs((drift / (late.length * stepMs * 0.9)) * 100),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
