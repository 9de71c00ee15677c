import { expect } from 'vitest';
import { codeBlocks, textOf } from '../support/documents.js';
import { text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

/** The messages in an output, without times and durations. */
function messagesIn(output: string): string[] {
  const time = /^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d /;
  const lines = output.split('\n').filter((line) => time.test(line));
  return lines.map((line) => line.replace(time, '').replace(/\b[\d.]+m?s\b/, 'T')).sort();
}

test('the README shows the messages of tail as they are', async ({ serve, command }) => {
  const server = await serve();
  const endpoints = ['devices', 'agents', 'rules', 'system'];
  const tail = command.tail(server, [...endpoints, '-n', '8']);
  const accept = async () => (await server.requests.next()).accept(text('{"type":"device.error"}'));
  const lost = await Promise.all(endpoints.map(accept));
  await tail.messages.next((line) => line.includes('connected'));
  for (const connection of lost) connection.close(1012);
  await Promise.all(endpoints.map(accept));
  const { stderr } = await tail.ended;

  const [sample = ''] = codeBlocks(textOf('README.md'), 'text');
  expect(messagesIn(sample)).toHaveLength(3);
  expect(messagesIn(stderr)).toEqual(messagesIn(sample));
});
