import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { codeBlocks, textOf } from '../support/documents.js';
import { frame, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

const schema = JSON.parse(textOf('docs/recording-format.schema.json'));
const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: true });
ajv.addSchema(schema, 'recording');

const definitions = { endpoint: 'event', connection: 'lifecycleLine', invalid: 'invalidLine' } as const;

/**
 * Complains about a line that is not as the schema says. The second member chooses the definition, because a JSON
 * Schema cannot express the order of members.
 */
function complaintsAbout(line: string): string[] {
  const members = Object.keys(JSON.parse(line));
  if (members[0] !== 'received_at') return [`the first member is ${members[0]}`];
  const definition = definitions[members[1] as keyof typeof definitions];
  if (definition === undefined) return [`the second member is ${members[1]}`];
  return ['recording', `recording#/$defs/${definition}`].flatMap((name) => {
    const validate = ajv.getSchema(name)!;
    if (validate(JSON.parse(line))) return [];
    return validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}: ${line}`);
  });
}

const linesOf = (recording: string) => recording.split('\n').slice(0, -1);
const kindOf = (line: string) => Object.keys(JSON.parse(line))[1];
/** The states of the lifecycle lines, each once. */
function statesIn(lines: string[]): string[] {
  const lifecycle = lines.filter((line) => kindOf(line) === 'connection');
  return [...new Set(lifecycle.map((line) => JSON.parse(line).connection.state))].sort();
}

describe('the schema of the recording format', () => {
  test('accepts a recording with every kind of line', async ({ serve, command }) => {
    const server = await serve();
    const recorder = command.start(
      ['record', 'devices', '--url', server.url, '-o', 'x.ndjson', '--retry-delay', '20ms', '-n', '5'],
      {},
    );
    const refused = await server.requests.next();
    refused.respond('503 Service Unavailable');
    const first = await server.requests.next();
    first.accept(
      text('{"type":"device.error","subject":"a","data":{"n":12345678901234567890}}'),
      text('{"connection":{"state":"mine"},"invalid":1}'),
      text('{"type":"device.probe","endpoint":"10.0.0.1","received_at":5}'),
      text('{}'),
      text('not JSON'),
      text('[1]'),
      frame({ opcode: 2, payload: Buffer.from([0, 1, 2]) }),
    );
    await first.roundTrips();
    first.close(1012, 'service restart');
    (await server.requests.next()).accept(text('{"type":"device.error"}'));
    expect((await recorder.ended).code).toBe(0);

    const lines = linesOf(readFileSync(join(command.sandbox.home, 'x.ndjson'), 'utf8'));
    expect(lines.flatMap(complaintsAbout)).toEqual([]);
    expect(statesIn(lines)).toEqual(['closed', 'connecting', 'open', 'refused']);
    expect(lines.filter((line) => kindOf(line) === 'invalid')).toHaveLength(3);
    expect(lines.some((line) => line.includes('"gap_since"'))).toBe(true);
  });

  test('accepts the parts of a rotation', async ({ serve, command }) => {
    const server = await serve();
    const recorder = command.start([
      ...['record', 'devices', '--url', server.url, '-o', 'x.ndjson'],
      ...['--rotate-size', '1KB', '-n', '30'],
    ]);
    const connection = await server.requests.next();
    connection.accept();
    for (let i = 0; i < 30; i++) {
      connection.text(`{"type":"device.error","data":{"text":"${'x'.repeat(100)}"}}`);
      // After the last event the recorder closes the connection.
      if (i < 29) await connection.roundTrips();
    }
    await recorder.ended;
    const lines = linesOf(readFileSync(join(command.sandbox.home, 'x.ndjson'), 'utf8'));
    expect(lines.some((line) => line.includes('"continued":true'))).toBe(true);
    expect(lines.flatMap(complaintsAbout)).toEqual([]);
  });

  it.each([
    '{"endpoint":"devices","received_at":"2026-11-22T21:50:00.123456Z"}',
    '{"received_at":"2026-11-22T21:50:00.123Z","endpoint":"devices"}',
    '{"received_at":"2026-11-22T21:50:00.123456+01:00","endpoint":"devices"}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","endpoint":"nowhere"}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","endpoint":5,"event":{"endpoint":"devices"}}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","connection":{"state":"lost"},"endpoint":"devices"}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","connection":{"state":"open"}}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","connection":{"state":"open","gap":1},"endpoint":"devices"}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","connection":{"state":"closed","code":1},"endpoint":"devices"}',
    '{"received_at":"2026-11-22T21:50:00.123456Z","invalid":{"reason":"not JSON"},"endpoint":"devices"}',
  ])('rejects %s', (line) => {
    expect(complaintsAbout(line)).not.toEqual([]);
  });

  it('accepts the examples of the page, which show every state', () => {
    const lines = codeBlocks(textOf('docs/recording-format.md'), 'json').flatMap(linesOf);
    expect(lines.flatMap(complaintsAbout)).toEqual([]);
    const states = schema.$defs.connection.oneOf.map(
      ({ $ref }: { $ref: string }) => schema.$defs[$ref.split('/').at(-1)!].properties.state.const,
    );
    expect(statesIn(lines)).toEqual(states.sort());
  });
});
