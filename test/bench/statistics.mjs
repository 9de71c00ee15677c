/** @param {number[]} values */
export function median(values) {
  return percentile(values, 50);
}

/** @param {number[]} values @param {number} percent */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (percent / 100) * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/**
 * Builds the sample of a row that measures delays. The first second does not count: it warms the code up.
 *
 * @param {{ sentAt: number[], cameAt: number[], skipped: number, events: number, peakRssMb: number | undefined }} arrivals Times in milliseconds.
 */
export function delaySample({ sentAt, cameAt, skipped, events, peakRssMb }) {
  const delays = sentAt.map((at, i) => (cameAt[i] ?? Number.NaN) - at).slice(skipped);
  return {
    value: percentile(delays, 50),
    p99: percentile(delays, 99),
    peakRssMb,
    lines: cameAt.length,
    bad: Math.abs(events - cameAt.length),
  };
}
