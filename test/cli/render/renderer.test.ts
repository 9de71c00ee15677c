import fc from 'fast-check';
import stringWidth from 'string-width';
import { beforeAll, describe, expect, it } from 'vitest';
import { Renderer, type RenderOptions } from '../../../src/cli/render/renderer.js';
import { noColors, type Palette, paletteFor } from '../../../src/cli/terminal/palette.js';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';

let colors: Palette;
beforeAll(async () => {
  colors = await paletteFor({}, 'always', {});
});

const LF = 0x0a;
const STAMP = '2026-11-22T21:50:01.123456Z';

function eventLine(event: object | string, endpoint = 'devices'): string {
  const frame = typeof event === 'string' ? event : JSON.stringify(event);
  const head = `{"received_at":"${STAMP}","endpoint":${JSON.stringify(endpoint)}`;
  return frame === '{}' ? `${head}}` : `${head},${frame.slice(1)}`;
}

/** Renders a line, with or without its LF, and returns the text without its LF. */
function render(line: string | Buffer, options: Partial<RenderOptions> = {}): string {
  return renderWith(rendererFor(options), line);
}

function rendererFor(options: Partial<RenderOptions>): Renderer {
  return new Renderer({ width: 200, full: false, utc: true, palette: noColors, ...options });
}

function renderWith(renderer: Renderer, line: string | Buffer): string {
  const bytes = Buffer.from(line);
  const text = renderer.render(bytes.at(-1) === LF ? bytes.subarray(0, -1) : bytes);
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1);
}

/** Renders an event with this payload and returns the part of the line that shows it. */
const fieldsOf = (data: unknown, options: Partial<RenderOptions> = {}): string =>
  render(eventLine({ type: 't', subject: 's', data }), options)
    .slice('21:50:01.123 devices t'.length + 47 - 23)
    .trim();

const withoutColors = (text: string): string => text.replace(/\u001b\[\d+m/g, '');

describe('the twelve documented types', () => {
  const events: [string, string, object][] = [
    ['devices', 'device.status_update', { device_id: 'ap-7', status: 'online', cpu: 41.5, memory: 60 }],
    ['devices', 'device.config_change', { device_id: 'ap-7', version: 4, changes: [{ option: 'a', to: 1 }] }],
    ['devices', 'device.error', { device_id: 'ap-7', message: 'radio reset', severity: 'critical', cpu: 97 }],
    ['agents', 'agent.status_update', { agent_id: 'wifi', queue: 2, status: 'busy' }],
    ['agents', 'agent.task_complete', { agent_id: 'wifi', task: 'scan', status: 'failed' }],
    ['agents', 'agent.error', { agent_id: 'wifi', error: 'DeviceTimeout', message: 'no answer' }],
    ['rules', 'rule.execution_start', { rule_id: 'cpu', execution_id: 'e1', condition: 'cpu > 90' }],
    ['rules', 'rule.execution_complete', { rule_id: 'cpu', matched: true, actions: ['alert', 'reboot'] }],
    ['rules', 'rule.triggered', { rule_id: 'cpu', device_id: 'ap-7' }],
    ['system', 'system.metrics', { cpu: 12, memory: 40, radio: { channel: 36, band: '5 GHz' } }],
    ['system', 'system.alert', { state: 'raised', severity: 'critical', message: 'CPU, high' }],
    [
      'system',
      'system.status',
      { status: 'healthy', components: { api: 'up' }, timestamp: '2026-01-05T08:00:00.1' },
    ],
  ];
  const lines = events.map(([endpoint, type, data]) =>
    eventLine({ type, subject: `opmas.${endpoint}.ap-7`, data }, endpoint),
  );

  it('are rendered in columns on a wide terminal', () => {
    expect(`\n${lines.map((line) => render(line)).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      21:50:01.123 devices device.status_update    opmas.devices.ap-7       status=online cpu=41.5 memory=60 device_id=ap-7
      21:50:01.123 devices device.config_change    opmas.devices.ap-7       version=4 changes[0].option=a changes[0].to=1 device_id=ap-7
      21:50:01.123 devices device.error            opmas.devices.ap-7       severity=critical message="radio reset" cpu=97 device_id=ap-7
      21:50:01.123 agents  agent.status_update     opmas.agents.ap-7        status=busy agent_id=wifi queue=2
      21:50:01.123 agents  agent.task_complete     opmas.agents.ap-7        status=failed agent_id=wifi task=scan
      21:50:01.123 agents  agent.error             opmas.agents.ap-7        message="no answer" error=DeviceTimeout agent_id=wifi
      21:50:01.123 rules   rule.execution_start    opmas.rules.ap-7         condition="cpu > 90" rule_id=cpu execution_id=e1
      21:50:01.123 rules   rule.execution_complete opmas.rules.ap-7         rule_id=cpu matched=true actions=[alert, reboot]
      21:50:01.123 rules   rule.triggered          opmas.rules.ap-7         rule_id=cpu device_id=ap-7
      21:50:01.123 system  system.metrics          opmas.system.ap-7        cpu=12 memory=40 radio.channel=36 radio.band="5 GHz"
      21:50:01.123 system  system.alert            opmas.system.ap-7        state=raised severity=critical message="CPU, high"
      21:50:01.123 system  system.status           opmas.system.ap-7        status=healthy components.api=up timestamp=2026-01-05T08:00:00.1
      "
    `);
  });

  it('are cut on a narrow terminal', () => {
    expect(`\n${lines.map((line) => render(line, { width: 80 })).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      21:50:01.123 devices device.status_update opmas.devices.ap-7 status=online cpu=…
      21:50:01.123 devices device.config_change opmas.devices.ap-7 version=4 changes[…
      21:50:01.123 devices device.error opmas.devices.ap-7 severity=critical message=…
      21:50:01.123 agents  agent.status_update opmas.agents.ap-7 status=busy agent_id…
      21:50:01.123 agents  agent.task_complete opmas.agents.ap-7 status=failed agent_…
      21:50:01.123 agents  agent.error opmas.agents.ap-7 message="no answer" error=De…
      21:50:01.123 rules   rule.execution_start opmas.rules.ap-7 condition="cpu > 90"…
      21:50:01.123 rules   rule.execution_complete opmas.rules.ap-7 rule_id=cpu match…
      21:50:01.123 rules   rule.triggered opmas.rules.ap-7 rule_id=cpu device_id=ap-7
      21:50:01.123 system  system.metrics opmas.system.ap-7 cpu=12 memory=40 radio.ch…
      21:50:01.123 system  system.alert opmas.system.ap-7 state=raised severity=criti…
      21:50:01.123 system  system.status opmas.system.ap-7 status=healthy components.…
      "
    `);
  });

  it('have the same text in color', () => {
    const colored = lines.map((line) => render(line, { palette: colors, width: 100 }));
    expect(colored.map(withoutColors)).toEqual(lines.map((line) => render(line, { width: 100 })));
    expect(JSON.stringify(colored[2])).toMatchInlineSnapshot(
      `""\\u001b[2m21:50:01.123\\u001b[22m \\u001b[36mdevices\\u001b[39m \\u001b[31mdevice.error\\u001b[39m opmas.devices.ap-7 \\u001b[2mseverity=\\u001b[22mcritical \\u001b[2mmessage=\\u001b[22m\\"radio reset\\" \\u001b[2mcpu=\\u001b[22m97…""`,
    );
  });
});

describe('the color of the type', () => {
  const RED = 31;
  const YELLOW = 33;
  const GREEN = 32;
  it.each<[string, unknown, number | undefined]>([
    ['device.error', {}, RED],
    ['device.error', { severity: 'low' }, YELLOW],
    ['system.alert', {}, YELLOW],
    ['system.alert', { severity: 'critical' }, RED],
    ['system.alert', { state: 'resolved' }, GREEN],
    ['device.status_update', { status: 'offline' }, RED],
    ['device.status_update', { status: 'online' }, undefined],
    ['billing.invoice', 'online', undefined],
  ])('of %s with payload %j is %s', (type, data, code) => {
    const text = render(eventLine({ type, subject: 's', data }), { palette: colors });
    if (code === undefined) expect(text).toContain(` ${type} `);
    else expect(text).toContain(`\u001b[${code}m${type}\u001b[39m`);
  });
});

describe('the time', () => {
  it.each([
    ['UTC', '2026-11-22T21:50:01.123456Z', '21:50:01.123'],
    ['Asia/Kolkata', '2026-11-22T21:50:01.123456Z', '03:20:01.123'],
    ['America/New_York', '2026-11-01T05:59:59.999999Z', '01:59:59.999'],
    ['America/New_York', '2026-11-01T06:00:00.000000Z', '01:00:00.000'],
    ['Europe/Berlin', '2026-03-29T00:59:59.000001Z', '01:59:59.000'],
    ['Europe/Berlin', '2026-03-29T01:00:00.000000Z', '03:00:00.000'],
  ])('in zone %s at %s is %s', (zone, stamp, clock) => {
    const before = process.env.TZ;
    process.env.TZ = zone;
    try {
      const line = eventLine({ type: 't' }).replace(STAMP, stamp);
      expect(render(line, { utc: false })).toContain(clock);
      expect(render(line, { utc: true })).toContain(stamp.slice(11, 23));
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it('changes with the minute, forward and back', () => {
    const stamps = ['21:59:59.999', '22:00:00.000', '21:59:00.500'];
    const lines = stamps.map((clock) => eventLine({}).replace(STAMP.slice(11, 23), clock));
    const renderer = rendererFor({ width: 80 });
    expect(lines.map((line) => renderWith(renderer, line).slice(0, 12))).toEqual(stamps);
  });

  it('in a payload stays as the server wrote it', () => {
    expect(fieldsOf({ timestamp: '2026-01-05T10:00:00.123456' })).toBe(
      'timestamp=2026-01-05T10:00:00.123456',
    );
  });

  it.each([
    ['{"type":"t"}', '--:--:--.---'],
    ['{"received_at":"soon","endpoint":"devices","type":"t"}', '--:--:--.---'],
    ['{"received_at":"2026-11-22T23:50:01+02:00","endpoint":"devices"}', '21:50:01.000'],
    ['{ "endpoint": "devices", "received_at": "2026-11-22T21:50:01.5Z" }', '21:50:01.500'],
  ])('of the line %s is %s', (line, clock) => {
    expect(render(line).slice(0, 12)).toBe(clock);
  });
});

describe('the fields', () => {
  it.each<[unknown, string]>([
    [{ x: 1, message: 'm', severity: 'low', status: 'on' }, 'status=on severity=low message=m x=1'],
    [{ timestamp: 'T', id: 5, zzz: 1 }, 'zzz=1 id=5 timestamp=T'],
    [{ a: 'two words', b: '', c: 'a=b', d: 'a"b', e: 'a,b' }, 'a="two words" b="" c="a=b" d="a\\"b" e="a,b"'],
    [{ radio: { channel: 36, on: true, none: null } }, 'radio.channel=36 radio.on=true radio.none=null'],
    [{ a: { b: { c: { d: { e: 1 } } } } }, 'a.b.c.d={…}'],
    [{ a: {}, b: [] }, 'a={} b=[]'],
    [{ tags: ['a', 1, null, 'x y'] }, 'tags=[a, 1, null, "x y"]'],
    [{ list: [{ a: 1 }, { b: 2 }] }, 'list[0].a=1 list[1].b=2'],
    [{ many: Array.from({ length: 20 }, (_, i) => i) }, 'many=[0, 1, 2, 3, 4, 5, 6, 7, … 12 more]'],
    [{ long: 'x'.repeat(500) }, `long=${'x'.repeat(100)}…`],
    ['text', 'data=text'],
    [[1, 2], 'data=[1, 2]'],
    [null, 'data=null'],
    [undefined, ''],
    [{ a: 'é', b: '漢字' }, 'a=é b=漢字'],
    [{ 'odd name': 1, 'a=b': 2 }, 'odd name=1 a=b=2'],
  ])('of payload %j are %s', (data, text) => {
    expect(fieldsOf(data)).toBe(text);
  });

  it('are complete with --full', () => {
    const data = {
      a: { b: { c: { d: { e: 1 } } } },
      many: Array.from({ length: 20 }, () => 7),
      x: 'x'.repeat(500),
    };
    const text = fieldsOf(data, { full: true, width: 10 });
    expect(text).toBe(`a.b.c.d.e=1 many=[${Array(20).fill(7).join(', ')}] x=${'x'.repeat(500)}`);
  });

  it('put a member that repeats the end of the subject last', () => {
    const text = render(eventLine({ type: 't', subject: 'a.ap-7', data: { device_id: 'ap-7', x: 1 } }));
    expect(text).toMatch(/ x=1 device_id=ap-7$/);
  });

  it('include members beside data', () => {
    expect(render(eventLine({ type: 't', subject: 's', data: { a: 1 }, seq: 9 }))).toMatch(/ a=1 seq=9$/);
    expect(render(eventLine({ type: 5, subject: ['s'], data: { a: 1 } }))).toMatch(
      / - +- +a=1 type=5 subject=\[s\]$/,
    );
  });

  it('keep all digits of numbers beside data, too', () => {
    const renderer = rendererFor({});
    renderWith(renderer, eventLine('{"type":"t","data":{"a":1}}'));
    const text = renderWith(
      renderer,
      eventLine('{"type":"t","data":9007199254740993,"seq":9007199254740995}'),
    );
    expect(text).toMatch(/ data=9007199254740993 seq=9007199254740995$/);
  });

  it.each(['9007199254740993', '-12345678901234567890', '1e400', '1.5e300'])(
    'keep all digits of the number %s',
    (digits) => {
      const line = eventLine(`{"type":"t","data":{"n" : ${digits},"m":1,"l":[1,${digits}]}}`);
      expect(render(line)).toContain(` n=${digits} m=1 l=[1, ${digits}]`);
    },
  );

  it('follow a new order of members at once', () => {
    const renderer = rendererFor({});
    const lines = [{ a: 1, status: 'x' }, { status: 'x', a: 1 }, { b: 1, status: 'x' }, { status: 'x' }].map(
      (data) => eventLine({ type: 't', subject: 's', data }),
    );
    const fields = lines.map((line) => renderWith(renderer, line).replace(/.*?(?=status)/, ''));
    expect(fields).toEqual(['status=x a=1', 'status=x a=1', 'status=x b=1', 'status=x']);
  });
});

describe('lines that are not events', () => {
  it.each([
    [
      formatInvalidLine(STAMP, 'rules', 'not JSON', Buffer.from('<html>\u001b[2J'), false),
      '21:50:01.123 rules   invalid frame not JSON 10 B <html>\\u001b[2J',
    ],
    [
      formatInvalidLine(STAMP, 'rules', 'binary frame', Buffer.from([0, 255, 27]), true),
      '21:50:01.123 rules   binary frame 3 B 00ff1b',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', {
        state: 'closed',
        code: 1006,
        reason: '',
        retry_in_ms: 4200,
      }),
      '21:50:01.123 devices closed code=1006 meaning="abnormal closure" retry_in=4.2s',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', { state: 'open', gap_since: STAMP }),
      `21:50:01.123 devices open gap_since=${STAMP}`,
    ],
    [
      formatLifecycleLine(STAMP, 'devices', {
        state: 'refused',
        status: 403,
        error: 'Forbidden\u0007\n',
        retry_in_ms: 500,
      }),
      '21:50:01.123 devices refused status=403 error=Forbidden\\u0007\\u000a retry_in=500ms',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', { state: 'dropped', count: 5, from: STAMP, to: STAMP }),
      `21:50:01.123 devices dropped count=5 from=${STAMP} to=${STAMP}`,
    ],
  ])('line %#', (line, text) => {
    expect(render(line, { width: 119 })).toBe(text);
  });

  it('a close reason with control characters stays on one line', () => {
    const line = formatLifecycleLine(STAMP, 'devices', {
      state: 'closed',
      code: 4000,
      reason: '\u001b[31m\n\u009b',
    });
    expect(render(line)).toContain('reason=\\u001b[31m\\u000a\\u009b');
  });

  it('text that is not JSON is shown as it is', () => {
    expect(render('{"torn')).toContain('{"torn');
  });
});

describe('hostile input', () => {
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom(
        '\u001b',
        '\u009b',
        '\n',
        '\r',
        '\t',
        '\b',
        '\u0000',
        '\u007f',
        '\u202e',
        '\u200b',
        '\u{e0041}',
      ),
      fc.constantFrom('漢', 'é', 'e\u0301', '👩‍🚀', '🇩🇪', '❤️', '가', 'ｱ', '\ud800', 'a', ' ', '"', '\\'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    maxLength: 12,
  });
  const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 });
  const event = fc.record(
    {
      type: fc.oneof(nasty, json),
      subject: fc.oneof(nasty, json),
      data: fc.oneof(json, fc.dictionary(nasty, nasty)),
    },
    { requiredKeys: [] },
  );

  it('renders without control characters except color codes, and never wider than the terminal', () => {
    fc.assert(
      fc.property(event, nasty, fc.integer({ min: 1, max: 160 }), (message, endpoint, width) => {
        const text = render(eventLine(message, endpoint), { width, palette: colors });
        const visible = withoutColors(text);
        // The joiner between two emoji makes them one.
        expect(visible.replace(/(?<=\p{Emoji}\ufe0f?)\u200d(?=\p{Emoji})/gu, '')).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udc7f]/,
        );
        expect(Buffer.from(visible).toString()).toBe(visible);
        expect(stringWidth(visible)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 500 },
    );
  });

  it('renders invalid frames without control characters and within the width', () => {
    fc.assert(
      fc.property(nasty, nasty, fc.boolean(), (reason, frame, binary) => {
        const line = formatInvalidLine(STAMP, 'devices', reason, Buffer.from(frame), binary);
        const visible = withoutColors(render(line, { width: 100, palette: colors }));
        expect(visible).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
        expect(stringWidth(visible)).toBeLessThanOrEqual(100);
      }),
      { numRuns: 200 },
    );
  });

  it('fits into one column', () => {
    expect(render(eventLine({ type: '漢', subject: 's' }), { width: 1 })).toBe('…');
    expect(render(eventLine({}), { width: 0 })).toBe('…');
    expect(render(eventLine({}), { width: Number.NaN })).toBe('…');
  });

  it('is not cut when it fits exactly', () => {
    const line = eventLine({ type: 'type', subject: 'subject', data: { a: 'bcd' } });
    const whole = render(line, { width: 100 });
    expect(render(line, { width: whole.length })).toBe(whole);
    expect(render(line, { width: whole.length - 1 })).toBe(`${whole.slice(0, -2)}…`);
  });

  it('is cut between wide or combining characters', () => {
    const text = render(eventLine({ type: 't', subject: '漢字漢字漢字' }), { width: 30 });
    expect(text).toBe('21:50:01.123 devices t 漢字漢…');
    expect(stringWidth(text)).toBeLessThanOrEqual(30);
    const marks = render(eventLine({ type: 't', subject: 'e\u0301'.repeat(100_000) }), { width: 30 });
    expect(stringWidth(marks)).toBeLessThanOrEqual(30);
  });

  it.each([1000, 100_000])('may have %i levels of nesting', (levels) => {
    const arrays = '['.repeat(levels) + ']'.repeat(levels);
    const objects = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    for (const full of [false, true]) {
      expect(render(eventLine(`{"type":"t","data":{"x":${arrays},"y":1}}`), { full })).toMatch(
        /x(\[0\])+=\[…\] y=1$/,
      );
      expect(render(eventLine(`{"type":"t","data":${objects}}`), { full })).toMatch(/ a(\.a)+=\{…\}$/);
    }
  });

  it('may have values of megabytes, which are complete with --full', () => {
    const megabytes = 'x'.repeat(10_000_000);
    const line = eventLine({ type: 't', data: { a: megabytes, b: 1 } });
    expect(render(line, { width: 150 })).toHaveLength(150);
    expect(render(line, { full: true })).toContain(`a=${megabytes} b=1`);
    const keys = eventLine({
      type: 't',
      data: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i])),
    });
    expect(render(keys, { width: 150 })).toHaveLength(150);
    expect(render(keys, { full: true })).toMatch(/ k99999=99999$/);
    const more = eventLine({
      type: 't',
      data: Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`k${i}`, i])),
    });
    expect(render(more, { full: true })).toMatch(
      / k999=999 … \(shown in part: 4\.\d MiB; -f json has all\)$/,
    );
    const array = eventLine({ type: 't', data: { list: new Array(1_000_000).fill(1) } });
    expect(render(array)).toContain('… 999992 more]');
    expect(render(eventLine({ type: megabytes, subject: megabytes }), { width: 80 })).toHaveLength(80);
    expect(render(megabytes, { width: 80 })).toHaveLength(80);
  });

  it('may have a new type and subject in each line', () => {
    const renderer = rendererFor({ width: 150 });
    for (let i = 0; i < 3000; i++) {
      const line = eventLine({ type: `t${i}`, subject: `s${i}` });
      expect(renderWith(renderer, line)).toMatch(new RegExp(` t${i} +s${i} *$`));
    }
  });
});
