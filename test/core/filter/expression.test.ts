import { describe, expect, it } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import { compileExpression } from '../../../src/core/filter/expression.js';

const event = JSON.parse(`{
  "type": "device.error", "subject": "opmas.devices.ap-7",
  "data": {
    "cpu": 97, "load": 0.5, "count": 3, "big": 9007199254740993, "list": [1, 2], "name": "ap-7", "up": true,
    "down": false, "none": null, "nested": { "channel": 36 }, "text": "97", "__proto__": { "polluted": true }
  }
}`) as Record<string, unknown>;

const verdict = async (text: string, of = event) => (await compileExpression(text)).matches(of, 'devices');

async function failureOf(compiling: Promise<unknown>): Promise<OpmasError> {
  try {
    await compiling;
  } catch (error) {
    expect(error).toBeInstanceOf(OpmasError);
    return error as OpmasError;
  }
  throw new Error('nothing was thrown');
}

/** The same event with a member called `constructor` in every object. */
function withConstructors(value: unknown, member: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).map(([name, part]) => [name, withConstructors(part, member)]);
  return Object.fromEntries([...members, ['constructor', member]]);
}

describe('compileExpression', () => {
  const verdicts: [text: string, expected: boolean][] = [
    ['data.cpu > 90 && event.type == "device.error"', true],
    ['data.cpu + 1 > 90', true],
    ['data.cpu + 1 == 98', true],
    ['1 + data.cpu == 98', true],
    ['data.cpu - 1 == 96.0', true],
    ['2 * data.cpu == 194', true],
    ['data.cpu / 2 == 48.5', true],
    ['data.cpu % 2 == 1', true],
    ['data.cpu % data.list[1] == 1', true],
    ['size(data.list) + data.cpu == 99', true],
    ['double(data.cpu) == 97', true],
    ['int(data.cpu) == 97', true],
    ['data.count == 3', true],
    ['data.count == 3.0', true],
    ['data.count != 3', false],
    ['data.big == 9007199254740993', true],
    ['data.big >= 9007199254740993', true],
    ['-data.big == -9007199254740993', true],
    ['data.big < 9223372036854775807', true],
    ['data.load < 1', true],
    ['data.list[0] == 1', true],
    ['2 in data.list', true],
    ['data.count in [1, 2, 3]', true],
    ['data.list == [1, 2]', true],
    ['data.list.exists(item, item > 1)', true],
    ['data.list.all(item, item > 1)', false],
    ['data["name"] == "ap-7"', true],
    ['data.nested.channel == 36', true],
    ['data.name.startsWith("ap-")', true],
    ['data.name.matches("^ap-[0-9]+$")', true],
    ['data.name.matches("^AP")', false],
    ['subject.endsWith("ap-7") && endpoint == "devices"', true],
    ['event.subject == subject && event.data == data', true],
    ['has(data.cpu) && !has(data.disk)', true],
    ['data.?disk.orValue(5) == 5', true],
    ['data.up', true],
    ['data.down', false],
    ['!data.down', true],
    ['true', true],
  ];

  it.each(verdicts)('%s is %j', async (text, expected) => {
    expect(await verdict(text)).toBe(expected);
  });

  it.each([1, 'Object', null, {}, [], { name: 'Object' }, false])(
    'gives the same verdicts where members are called constructor: %j',
    async (member) => {
      const odd = withConstructors(event, member) as Record<string, unknown>;
      for (const [text, expected] of verdicts)
        expect([text, await verdict(text, odd)]).toEqual([text, expected]);
      expect(await verdict('has(data.constructor) && data.list.size() == 2', odd)).toBe(true);
      const list = { data: [{ constructor: member, n: 1 }, { n: 2 }] };
      expect(await verdict('data.exists(one, one.n == 1) && data[1].n == 2', list)).toBe(true);
    },
  );

  it.each([
    'data.disk > 90',
    '!data.disk',
    'data.disk',
    'data.disk.used > 1',
    'has(data.disk.used)',
    'event.nothing == 1',
    'data.cpu > "a"',
    'data.text > 90',
    'data.name + 1 == 2',
    'data.none',
    '!data.none',
    'data.none && true',
    'data.none > 1',
    'data.list[7] == 1',
    'data.name.size() > data.name',
    '1 / 0 == 1',
    'int(data.name) == 1',
    'data.polluted',
    'data.toString == 1',
    'data.constructor == 1',
    'event.constructor.name == "Object"',
    'data.cpu == "97"',
  ])('%s is false, not an error', async (text) => {
    expect(await verdict(text)).toBe(false);
  });

  it.each([
    [{}, 'data.cpu > 1', false],
    [{}, '!has(data.cpu)', true],
    [{}, 'subject == "a"', false],
    [{ subject: 5 }, 'subject == "5"', false],
    [{ subject: 5 }, 'event.subject == 5', true],
    [{ data: null }, 'data.cpu > 1', false],
    [{ data: 'text' }, 'data == "text"', true],
    [{ data: [1, 2] }, 'data[1] == 2', true],
    [{ data: null }, 'data == null', true],
  ])('on %j, %s is %j', async (message, text, expected) => {
    expect(await verdict(text, message)).toBe(expected);
  });

  it.each([
    ['1', 'int'],
    ['"x"', 'string'],
    ['data.cpu + 1.5 - "a".size()', 'double'],
    ['[1]', 'list<int>'],
    ['subject', 'string'],
    ['size(data.list)', 'int'],
  ])('refuses %s before the first event: it is of type %s', async (text, type) => {
    const failure = await failureOf(compileExpression(text));
    expect(failure.code).toBe('USAGE');
    expect(failure.message).toBe(`\`where\`: the result is of type ${type}, not true or false`);
  });

  it.each(['data.cpu + 1', 'data.cpu - data.load', '-data.cpu', 'data.cpu * 2'])(
    'refuses %s before the first event: it is arithmetic',
    async (text) => {
      expect((await failureOf(compileExpression(text))).message).toBe(
        '`where`: the result is a number or text, not true or false',
      );
    },
  );

  it.each([
    ['data.cpu', 'data.cpu is a number, not true or false'],
    ['data.name', 'data.name is a string, not true or false'],
    ['data.list', 'data.list is a list, not true or false'],
    ['event', 'event is an object, not true or false'],
    ['data.cpu && true', 'data.cpu is a number, not true or false'],
    ['data.up && data.cpu', 'data.cpu is a number, not true or false'],
    ['data.name || data.down', 'data.name is a string, not true or false'],
    ['data.cpu ? true : false', 'data.cpu is a number, not true or false'],
    ['data.list.exists(x, x)', 'x is a number, not true or false'],
    ['data.list.all(x, x)', 'x is a number, not true or false'],
    ['data.list.filter(x, x).size() > 0', 'x is a number, not true or false'],
    ['data.cpu.exists(x, x > 1)', 'data.cpu is a number, not a list or an object'],
    ['data.name > 90', 'data.name is a string, compared with a number'],
    ['90 < data.name', 'data.name is a string, compared with a number'],
    ['data.name + 1 > 90', 'data.name is a string, used with + and a number'],
    ['data.cpu == "97"', 'data.cpu is a number, compared with a string'],
    ['"97" == data.cpu', 'data.cpu is a number, compared with a string'],
    ['data.name == 7', 'data.name is a string, compared with a number'],
    ['7.5 == data.name', 'data.name is a string, compared with a number'],
    ['data.down == "true"', 'data.down is a boolean, compared with a string'],
    ['data.cpu == true', 'data.cpu is a number, compared with a boolean'],
    ['data.cpu == data.name', 'data.cpu == data.name compares a number with a string'],
    ['data.list.exists(x, x == "1")', 'x is a number, compared with a string'],
    ['!data.cpu', 'data.cpu is a number'],
    [
      'data.cpu.startsWith("x")',
      'data.cpu.startsWith("x"): found no matching overload for \'double.startsWith(string)\'',
    ],
  ])('%s is false and says why: %s', async (text, reason) => {
    const expression = await compileExpression(text);
    expect(expression.matches(event, 'devices')).toBe(false);
    expect(expression.report).toMatchObject({ unevaluated: 1, reasons: [reason], missing: [] });
  });

  it.each([
    ['data.nosuch > 90', ['data.nosuch']],
    ['data.nosuch > 90 || data.cpu > 1000', ['data.nosuch']],
    ['event.nosuch.deep == 1', ['event.nosuch.deep']],
    ['has(data.nosuch)', []],
    ['data.cpu > 1000', []],
    ['data.name == "other" && data.cpu == "97"', []],
    ['data.cpu == null', []],
  ])('%s names the fields that no event had: %j', async (text, missing) => {
    const expression = await compileExpression(text);
    expect(expression.matches(event, 'devices')).toBe(false);
    expect(expression.report).toMatchObject({ unevaluated: 0, missing });
  });

  it.each(['data.cpu == "97" || data.name == "ap-7"', 'data.cpu != "97"'])(
    'counts no event that matches all the same: %s',
    async (text) => {
      const expression = await compileExpression(text);
      expect(expression.matches(event, 'devices')).toBe(true);
      expect(expression.report).toMatchObject({ unevaluated: 0, reasons: [] });
    },
  );

  it('refuses to compare a subject with a number at once', async () => {
    await expect(compileExpression('subject == 5')).rejects.toThrow('no such overload: string == ');
  });

  it.each([
    ['', 1],
    ['data.cpu >', 11],
    ['data.cpu = 3', 10],
    ['data.up and true', 9],
    ['foo == 1', 1],
    ['data.up && foo', 12],
    ['nothing(data)', 1],
    ['data.name.matches("(")', 19],
    ['data.name.matches(data.text)', 19],
    ['"unterminated', 1],
    ['has(data)', 5],
    ['subject > 3', 1],
  ])('%s is a usage error with its place: column %i', async (text, column) => {
    const failure = await failureOf(compileExpression(text));
    expect(failure.code).toBe('USAGE');
    expect(failure.message).toMatch(new RegExp(`^\`where\`: .* at column ${column}$`));
    expect(failure.hint?.split('\n')[0]).toBe(text);
    expect(failure.hint?.split('\n')[1]).toBe(`${' '.repeat(column - 1)}^`);
  });

  it.each([
    ['type == "device.error"', 'event.type'],
    ['type.startsWith("device")', 'event.type'],
    ['cpu > 90', 'data.NAME'],
    ['data.cpu = 90', '=='],
    ['data.up and data.down', '&&'],
    // A shell has taken the inner quotes away.
    ['event.type == device.error', '`where` "event.type == \'device.error\'"'],
    ['data.name == wan loss', '`where` "event.type == \'device.error\'"'],
    ['subject.endsWith(ap-7)', '`where` "event.type == \'device.error\'"'],
  ])('%s: the hint names %s', async (text, advice) => {
    expect((await failureOf(compileExpression(text))).hint).toContain(advice);
  });

  it('keeps control characters of the expression out of its error', async () => {
    const failure = await failureOf(compileExpression('"\u001b[2J" ==\u0007'));
    expect(failure.message + failure.hint).not.toMatch(/[\u001b\u0007]/);
  });

  it('refuses values that are too large', async () => {
    expect((await failureOf(compileExpression(`true${' || true'.repeat(400)}`))).code).toBe('USAGE');
    expect((await failureOf(compileExpression(`${'('.repeat(80)}true${')'.repeat(80)}`))).code).toBe('USAGE');
    expect((await failureOf(compileExpression(' '.repeat(20_000)))).code).toBe('USAGE');
  });

  it('an event that is nested too deep makes it false', async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const message = JSON.parse(`{"data":{"x":${deep},"cpu":97}}`) as Record<string, unknown>;
    expect(await verdict('data.x == data.x', message)).toBe(false);
    expect(await verdict('data.cpu == 97', message)).toBe(false);
  });

  it('keeps giving right verdicts after thousands of oddly nested events', async () => {
    const expression = await compileExpression('data.x == data.y');
    const nested = `${'{"a":['.repeat(10)}1${']}'.repeat(10)}`;
    const message = JSON.parse(`{"data":{"x":${nested},"y":${nested}}}`) as Record<string, unknown>;
    let matching = 0;
    for (let i = 0; i < 3000; i++) if (expression.matches(message, 'devices')) matching++;
    expect(matching).toBe(3000);
  });

  it('does not begin a macro in a macro over long lists, which would take hours', async () => {
    const list = Array.from({ length: 400_000 }, (_, n) => n);
    const nested = 'data.list.exists(x, data.list.exists(y, x + y == -1))';
    for (const data of [{ list }, { list: Object.fromEntries(list.map((n) => [n, n])) }]) {
      const expression = await compileExpression(nested);
      expect(expression.matches({ data }, 'devices')).toBe(false);
      expect(expression.report.reasons).toEqual([
        'the lists of the event are too long for a macro inside a macro',
      ]);
    }
    for (const text of ['data.list.exists(x, x == 399999)', 'data.list.filter(x, x > 5).exists(x, x == 9)']) {
      expect(await verdict(text, { data: { list } })).toBe(true);
    }
    expect(await verdict('data.list.exists(x, data.list.all(y, x >= y))')).toBe(true);
  });

  it('matches() ends at once, whatever the pattern', async () => {
    const message = { data: { name: `${'a'.repeat(5000)}!` } };
    expect(await verdict('data.name.matches("^(a+)+$")', message)).toBe(false);
  });

  it('takes a single object by its short name, as commands do', async () => {
    const label = '/api/v1/ws/device/42';
    for (const text of [
      'endpoint == "device/42"',
      '"device/42" == endpoint',
      'endpoint in ["rule/3", "device/42"]',
      'endpoint == "/api/v1/ws/device/42"',
      '!(endpoint != "device/42")',
    ]) {
      const { matches } = await compileExpression(text);
      expect([matches({}, label), matches({}, 'devices')], text).toEqual([true, false]);
    }
    expect((await compileExpression('event.a == "device/42"')).matches({ a: 'device/42' }, 'devices')).toBe(
      true,
    );
  });

  it('does not leak names from one event into the next', async () => {
    const expression = await compileExpression('has(data.cpu) || subject == "a"');
    expect(expression.matches({ subject: 'a', data: { cpu: 1 } }, 'devices')).toBe(true);
    expect(expression.matches({}, 'devices')).toBe(false);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('severity', () => {
  it.each<[string, object, boolean]>([
    ['severity == "error"', { type: 'device.error' }, true],
    ['severity == "error"', { type: 'device.error', data: { severity: 'low' } }, false],
    ['severity == "warning"', { type: 'device.error', data: { severity: 'low' } }, true],
    ['severity in ["critical", "error"]', { data: { severity: 'FATAL' } }, true],
    ['severity != "normal"', { type: 5, data: 'text' }, false],
    ['severity.startsWith("rec")', { data: { status: 'resolved' } }, true],
    ['data.severity == "high" && severity == "error"', { data: { severity: 'high' } }, true],
    ['[1, 2].exists(x, severity == "normal")', {}, true],
  ])('%s of %j is %s', async (text, of, expected) => {
    expect(await verdict(text, of as Record<string, unknown>)).toBe(expected);
  });

  it.each([
    ['severity == "bad"', ['no event has the severity "bad"; they are critical, error,']],
    ['"Critical" != severity', ['no event has the severity "Critical"; did you mean critical?']],
    ['severity in ["eror", "critical", "warn"]', ['"eror"; did you mean error?', '"warn"; ']],
    ['severity == "eror" || severity == "eror"', ['"eror"']],
    ['severity >= "error"', ['severity is a text, which < and > compare by letters']],
    ['severity == "error" && data.severity == "bad" && "x" in data.list', []],
  ])('that cannot hold is told at once: %s', async (text, told) => {
    const { hints } = await compileExpression(text);
    expect(hints).toEqual(told.map((part) => expect.stringContaining(part)));
  });
});

describe('received_at', () => {
  const at = (iso: string) => ({ receivedAt: Date.parse(iso) * 1000 + 999 });
  it.each([
    ['received_at >= timestamp("2026-11-22T21:50:00.123Z")', true],
    ['received_at == timestamp("2026-11-22T22:50:00.123+01:00")', true],
    ['received_at < timestamp("2026-11-22T21:50:00Z")', false],
    ['received_at.getHours() == 21 && received_at.getMinutes() == 50', true],
    ['received_at.getHours("Asia/Tokyo") == 6', true],
    ['received_at - timestamp(data.sent) > duration("5m")', true],
    ['received_at - duration("1h") > timestamp(data.sent)', false],
  ])('%s is %s', async (text, expected) => {
    const sent = { data: { sent: '2026-11-22T21:40:00Z' } };
    const expression = await compileExpression(text);
    expect(expression.matches(sent, 'devices', at('2026-11-22T21:50:00.123Z'))).toBe(expected);
    expect(expression.report.reasons).toEqual([]);
  });

  it('is not read unless the expression names it', async () => {
    let reads = 0;
    const received = {
      get receivedAt() {
        reads++;
        return 0;
      },
    };
    expect((await compileExpression('data.cpu > 90')).matches(event, 'devices', received)).toBe(true);
    expect(reads).toBe(0);
    expect((await compileExpression('received_at == timestamp(0)')).matches(event, 'devices', received)).toBe(
      true,
    );
    expect(reads).toBe(1);
  });

  it.each([
    ['received_at > data.name', 'received_at is a time, compared with a string'],
    ['received_at == data.name', 'received_at == data.name compares a time with a string'],
    ['received_at.getHours("Nowhere") == 1', 'invalid time zone specified: Nowhere'],
    ['received_at > timestamp(data.name)', 'timestamp(data.name): timestamp() requires'],
  ])('that cannot be evaluated is told: %s', async (text, reason) => {
    const expression = await compileExpression(text);
    expect(expression.matches(event, 'devices', at('2026-11-22T21:50:00Z'))).toBe(false);
    expect(expression.report.reasons[0]).toContain(reason);
  });

  it('of a line without a time makes the expression false, and says so', async () => {
    const expression = await compileExpression('received_at > timestamp(0)');
    expect(expression.matches(event, 'devices')).toBe(false);
    expect(expression.report).toMatchObject({ unevaluated: 1, reasons: ['the line has no received_at'] });
  });

  it.each([
    ['received_at > timestamp("2026-11-22")', 'timestamp() cannot read this at column 15', 'Write a time as'],
    ['received_at - timestamp(0) > duration("5 min")', 'duration() cannot read this', 'as duration("5m")'],
    ['received_at > "2026-11-22"', 'timestamp > string', 'Write a time as timestamp('],
    ['recieved_at > timestamp(0)', 'unknown variable: recieved_at', 'Did you mean received_at?'],
    ['severty == "error"', 'unknown variable: severty', 'Did you mean severity?'],
    [
      'foo == 1',
      'unknown variable: foo',
      'The names are event, data, subject, endpoint, severity, received_at.',
    ],
  ])('and severity have errors that say what to write: %s', async (text, message, hint) => {
    const error = await failureOf(compileExpression(text));
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  it('and severity are told apart from members of the message of that name', async () => {
    const expression = await compileExpression('event.severity == "error" || event.received_at == "x"');
    expression.matches(event, 'devices');
    expect(expression.report.missing).toEqual([
      'event.severity (it is severity alone)',
      'event.received_at (it is received_at alone)',
    ]);
  });
});
