import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { numberedLines, RecordingFolder } from '../support/recordings.js';

const program = (folder: string) => `
import { linesOf, login, openRecording, parseBaseUrl, readRecording, serveRecording, startMockServer, subscribe, tokenFromText } from 'opmas-ws';
const own = Uint8Array;
if (Buffer.from('a') instanceof own) throw new Error('this is the realm of Node.js');
async function take(server, token, count) {
  const url = parseBaseUrl(server.url);
  const stream = subscribe({ url, endpoints: ['devices'], token: tokenFromText(token, 'the test'), count });
  let events = 0;
  for await (const batch of stream) for (const line of linesOf(batch)) if (line.kind === 'event') events++;
  await server.close();
  return events;
}
const mock = await startMockServer({ rate: 100, auth: 'secret', secret: 'short' });
const { accessToken } = await login({ base: parseBaseUrl(mock.url) }, 'admin', 'sesame');
console.log(await take(mock, accessToken, 3));
const replay = await serveRecording(${JSON.stringify(join(folder, '0/capture.ndjson'))}, { speed: 'max' });
console.log(await take(replay, replay.token, 4));
const path = ${JSON.stringify(join(folder, 'b.ndjson.gz'))};
const writer = await openRecording(path);
await writer.write({ bytes: Buffer.from('{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","n":1}\\n'), count: 1 });
await writer.close();
for await (const { count } of readRecording(path)) console.log(count);
await startMockServer({ port: -1 }).catch((error) => console.log(error.code));
const closed = await startMockServer();
await closed.close();
const url = parseBaseUrl(closed.url);
const say = (error) => console.log(error.code, error.failure);
await login({ base: url }, 'admin', 'sesame').catch(say);
try {
  const token = tokenFromText(accessToken, 'the test');
  for await (const batch of subscribe({ url, endpoints: ['devices'], token, retry: { reconnect: false } })) {}
} catch (error) {
  say(error);
}
`;

it('works in the realm of a test runner, where Uint8Array is not that of Node.js', async () => {
  using folder = new RecordingFolder();
  folder.write(numberedLines(0, 4, 10));
  const script = resolve('test/support/other-realm.mjs');
  const words = [
    '--experimental-vm-modules',
    '--no-warnings',
    script,
    resolve('dist/index.js'),
    program(folder.path),
  ];
  const output = await new Promise((done) => {
    execFile(process.execPath, words, { timeout: 20_000 }, (_, stdout, stderr) => done({ stdout, stderr }));
  });
  expect(output).toEqual({
    stdout: '3\n4\n1\nUSAGE\nNETWORK connection refused\nNETWORK connection refused\n',
    stderr: '',
  });
});
