import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  compileFilter,
  diagnose,
  type EventData,
  inspectRecording,
  login,
  type OpmasEvent,
  openRecording,
  parseBaseUrl,
  readRecording,
  refreshCredentials,
  type SubscribeOptions,
  serveRecording,
  startMockServer,
  startServer,
  subscribe,
  tokenFromCommand,
  tokenFromFile,
  tokenFromText,
} from '../../src/index.js';

const url = parseBaseUrl('ws://127.0.0.1:9');
const token = tokenFromText('a.b.c', 'the test');
const needed = { url, endpoints: ['devices'], token };
const access = { base: url };
const source = { connect: () => () => undefined, stop: () => undefined };
/** Options as a program without types may give them. */
const wrong = (options: object) => options as never;

/** Calls of each public function that takes options, with a misspelt one, and the name that was meant. */
const calls: [name: string, call: () => unknown, meant: string][] = [
  ['subscribe', () => subscribe(wrong({ ...needed, duration: 3 })), 'durationMs'],
  ['subscribe, of its retries', () => subscribe({ ...needed, retry: wrong({ retrys: 3 }) }), 'retries'],
  ['startMockServer', () => startMockServer(wrong({ tokenLife: 3 })), 'tokenLifeMs'],
  ['startServer', () => startServer(source, wrong({ prot: 1 })), 'port'],
  ['serveRecording', () => serveRecording('x', wrong({ exitwhendone: true })), 'exitWhenDone'],
  ['openRecording', () => openRecording('/nowhere/x', wrong({ apend: true })), 'append'],
  ['readRecording', () => readRecording('x', wrong({ keeps: 1 })), 'keep'],
  ['inspectRecording', () => inspectRecording('x', wrong({ strikt: true })), 'strict'],
  ['compileFilter', () => compileFilter(wrong({ type: ['a'] })), 'types'],
  ['tokenFromFile', () => tokenFromFile('x', wrong({ sources: 'x' })), 'source'],
  ['tokenFromCommand', () => tokenFromCommand(['x'], wrong({ timeout: 3 })), 'timeoutMs'],
  ['login', () => login(wrong({ ...access, insecur: true }), 'u', 'p'), 'insecure'],
  ['refreshCredentials', () => refreshCredentials(wrong({ ...access, CA: '' }), wrong({})), 'ca'],
  ['diagnose', () => diagnose(wrong({ url, token, endpoint: [] })).next(), 'endpoints'],
];

describe('an option that does not exist', () => {
  it.each(calls)('is refused by %s, with the name that was meant', async (_name, call, meant) => {
    await expect((async () => call())()).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/has no option "/),
      hint: `Did you mean ${meant}?`,
    });
  });

  it('far from every name gets a list of them', () => {
    expect(() => subscribe(wrong({ ...needed, bandwidth: 1 }))).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^Options are url, endpoints, token, /) }),
    );
  });
});

describe('an option that is undefined', () => {
  it('leaves its default as it is, also in a group of options', async () => {
    const stream = subscribe({
      ...needed,
      retry: { retryDelayMs: undefined, reconnect: undefined, retries: 1 },
    });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NETWORK' });
    const server = await startMockServer({ limits: { clients: undefined } });
    await server.close();
    expect(server.url).toMatch(/^ws:/);
  });

  it('is allowed by the types where a program states each option', () => {
    expectTypeOf<{ count: undefined; signal: undefined; retry: { retries: undefined } }>().toExtend<
      Partial<SubscribeOptions>
    >();
  });
});

it('a stream that is iterated over a second time throws, because the events of the first are gone', async () => {
  const stream = subscribe({ ...needed, durationMs: 0 });
  for await (const _ of stream);
  expect(() => stream[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

it('`switch (event.type)` gives subject and data their types', () => {
  const read = (event: OpmasEvent): EventData | undefined => {
    switch (event.type) {
      case 'device.error': {
        expectTypeOf(event.subject).toEqualTypeOf<string | undefined>();
        expectTypeOf(event.data).toEqualTypeOf<EventData | undefined>();
        return event.data;
      }
      case 'a.type.that.the.document.does.not.know':
        return event.data;
      default:
        return undefined;
    }
  };
  expect(read({ type: 'device.error', data: { cpu: 97 } })).toEqual({ cpu: 97 });
});
