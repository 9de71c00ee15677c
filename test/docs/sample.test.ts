import { expect } from 'vitest';
import { codeBlocks, textOf } from '../support/documents.js';
import { text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

/** The messages about `devices` in an output, without their durations. */
function messagesIn(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.startsWith('devices  '));
  return lines.map((line) => line.replace(/\b[\d.]+m?s\b/, 'T'));
}

test('the README shows the messages of tail as they are', async ({ serve, command }) => {
  const server = await serve();
  const tail = command.tail(server, ['-n', '2']);
  const lost = (await server.requests.next()).accept(text('{"type":"device.error"}'));
  await lost.roundTrips();
  lost.close(1012);
  (await server.requests.next()).accept(text('{"type":"device.error"}'));
  const { stderr } = await tail.ended;

  const [sample = ''] = codeBlocks(textOf('README.md'), 'text');
  expect(messagesIn(sample)).toHaveLength(3);
  expect(messagesIn(stderr)).toEqual(messagesIn(sample));
});
