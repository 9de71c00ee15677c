// Writes to several recordings at once until it is killed. Says on stdout, before it hands lines over, up to which
// number and when, so that whoever kills it knows what must be in the files.
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { formatTimestamp, openRecording } from '../../../../dist/index.js';

// When whoever reads is gone, so is the test.
process.on('uncaughtException', () => process.exit(1));

const paths = process.argv.slice(2);

/** @param {string} path @param {number} at */
async function record(path, at) {
  const rotates = path.includes('rotated');
  const writer = await openRecording(path, { append: true, ...(rotates ? { rotateBytes: 40_000 } : {}) });
  let number = 0;
  for (;;) {
    const lines = [];
    const count = 1 + ((number * 7919) % 23);
    const now = Date.now();
    for (let i = 0; i < count; i++) {
      const pad = 'x'.repeat((number * 31) % 900);
      lines.push(
        `{"received_at":"${formatTimestamp(now * 1000)}","endpoint":"devices","n":${number++},"pad":"${pad}"}\n`,
      );
    }
    writeSync(1, `${at} ${number - 1} ${now}\n`);
    await writer.write({ bytes: Buffer.from(lines.join('')), count });
    await delay((number * 13) % 9);
  }
}

await Promise.all(paths.map(record));
