import { describe } from 'vitest';
import { close, event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';

/** A command whose output goes somewhere; the exit code is its own. */
const through = (script: string) => ['bash', '-c', `${script}; exit "\${PIPESTATUS[0]}"`, 'bash'];

/** What a server may say to take over a terminal: C0, DEL, C1, OSC 52, bidi, zero width, tags. */
const hostile =
  'a\u001b[2J\u001b]52;c;aGk=\u0007\u0008\u000d\u007f\u009b31m\u0090q\u202e\u2066\u200b\ufeff\u{e0041}b';
const hostileEvent = JSON.stringify({
  type: `device.${hostile}`,
  subject: hostile,
  data: { [hostile]: hostile },
})
  // As the server would write it: raw where JSON allows it.
  .replace('\\u007f', '\u007f');
const unsafe =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b\ufeff]|\u{e0041}/u;
/** Colors and what the spinner does to its own line. */
const ours = /\u001b\[(?:\d{1,2}m|\?25[lh]|\?2026[lh]|1G|0?K)/g;

describe.concurrent('a reader that goes', () => {
  test('| head -1 ends with 0 and quietly', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, [], { through: through('"$@" | head -1') });
    const client = await server.request();
    client.accept(text(event(0)));
    // head is gone when TCP and pipes have taken much more than one line.
    for (let i = 1; i < 200 && !client.socket.destroyed; i++) {
      client.text(...Array.from({ length: 100 }, () => event(i)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { code, stdout, stderr } = await tail.ended;
    expect([code, stdout.split('\n').length]).toEqual([0, 2]);
    expect(stderr).toMatch(/^[-\d: ]{19} devices {2}connected\n\d+ events .*\n$/);
  });

  test('while the stream is silent: it ends with 0 at the next event', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, [], { through: through('"$@" | { head -1; echo gone >&2; }') });
    const client = await server.request();
    client.accept(text(event(1)));
    await tail.messages.next((line) => line === 'gone');
    // Until Node has noticed: the first write after it may still find the other half of the pipe.
    const more = setInterval(() => client.text(event(2)), 50);
    const { code, stdout } = await tail.ended;
    clearInterval(more);
    expect([code, stdout.split('\n').length]).toEqual([0, 2]);
  });

  test('a slow one gets every line of a normal end', async ({ serve, command, expect }) => {
    const server = await serve();
    const count = 30_000;
    const slow = 'read line; for i in {1..20000}; do :; done; wc -l';
    const tail = command.tail(server, ['-n', String(count)], { through: through(`"$@" | { ${slow}; }`) });
    const client = await server.request();
    client.accept();
    for (let i = 0; i < count; i += 1000) {
      client.text(...Array.from({ length: 1000 }, (_, j) => event(i + j)));
    }
    const { code, stdout } = await tail.ended;
    expect([code, Number(stdout)]).toEqual([0, count - 1]);
  });
});

describe.concurrent('an output that cannot be written', () => {
  test('/dev/full is a failure of this machine: 5', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, [], { through: through('"$@" > /dev/full') });
    (await server.request()).accept(text(event(1)));
    const { code, stderr } = await tail.ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(/opmas-ws: cannot write to stdout: .*ENOSPC/);
    expect(stderr.match(/opmas-ws: /g), stderr).toHaveLength(1);
  });

  test('stderr on /dev/full is no reason to lose data', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['-n', '1'], { through: through('"$@" 2> /dev/full') });
    (await server.request()).accept(text(event(1)));
    const { code, stdout } = await tail.ended;
    expect([code, stdout.split('\n').length]).toEqual([0, 2]);
  });

  test.for([
    ['stdout', '>&-', 0, ''],
    ['stderr', '2>&-', 0, 'event'],
    ['stdin', '<&-', 0, 'event'],
    ['all three', '<&- >&- 2>&-', 0, ''],
  ] as const)('%s closed at the start', async ([, redirection, code, out], { serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['-n', '1'], { through: through(`"$@" ${redirection}`) });
    (await server.request()).accept(text(event(1)));
    const ended = await tail.ended;
    expect(ended.code, ended.stderr).toBe(code);
    expect(ended.stdout).toMatch(out === '' ? /^$/ : /^\{.*"device.status_update".*\}\n$/);
    expect(ended.stderr).not.toMatch(/at .*\.js|Unhandled|Error:/);
  });
});

describe.concurrent('control characters', () => {
  test('reach a pipe as the server wrote them, in JSON', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['-n', '1']);
    (await server.request()).accept(text(hostileEvent));
    const { stdout } = await tail.ended;
    expect(stdout.slice(stdout.indexOf('"type"') - 1)).toBe(`,${hostileEvent.slice(1)}\n`);
  });

  test.for([['pretty'], ['json']] as const)(
    'reach no terminal (%s)',
    async ([format], { serve, command, expect }) => {
      const server = await serve();
      const tail = command.tailOnTerminal(server, ['-f', format, '--full', '-n', '1', '--lifecycle']);
      (await server.request()).accept(close(1011, '\u001b[2J\r\u009b31m\u202e'));
      (await server.request()).accept(text(`"${'\u009b31m\u202e'}"`), text(hostileEvent));
      await tail.ended;
      const rest = tail.shown().replace(ours, '').replaceAll('\r\n', '\n');
      expect(rest).not.toContain('\u001b');
      expect(rest).not.toContain('\r');
      expect(rest).not.toMatch(unsafe);
      // They are shown, as escapes, each event on one line.
      expect(rest).toContain('\\u001b[2J');
      expect(rest).toContain('\\u202e');
      const lines = rest.split('\n').filter((line) => line.includes('device.a'));
      expect(lines).toHaveLength(1);
      if (format === 'json') {
        const line = lines[0]!.slice(lines[0]!.indexOf('{'));
        expect(JSON.parse(line)).toMatchObject(JSON.parse(hostileEvent));
      }
    },
  );

  test('nor stderr, from a message of a server', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--debug', '-n', '1']);
    (await server.request()).accept(close(4000, '\u001b[2J\n\u009b31m'));
    (await server.request()).respond('302 Found', ['Location: http://\u001b[31m/\u009b']);
    (await server.request()).accept(text(event(1)));
    const { stderr } = await tail.ended;
    expect(stderr).toContain('4000 private code: \\u001b[2J\\n\\u009b31m');
    expect(stderr.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe.concurrent('colors', () => {
  test.for([
    ['a pipe has none', false, [], {}, false, false],
    ['--color always', false, ['--color', 'always'], {}, true, true],
    ['FORCE_COLOR', false, [], { FORCE_COLOR: '1' }, true, true],
    ['NO_COLOR wins', false, [], { FORCE_COLOR: '1', NO_COLOR: '1' }, false, false],
    ['a terminal has some', true, [], {}, true, true],
    ['NO_COLOR on a terminal', true, [], { NO_COLOR: '1' }, false, false],
    ['TERM=dumb on a terminal', true, [], { TERM: 'dumb' }, false, false],
    ['--color never on a terminal', true, ['--color', 'never'], {}, false, false],
  ] as const)(
    '%s',
    async ([, onTerminal, args, environment, colored, messages], { serve, command, expect }) => {
      const server = await serve();
      const options = ['-f', 'pretty', '-n', '1', ...args];
      const client = server.request();
      void client.then((one) => one.accept(text(event(1, 'device.error'))));
      const color = /\u001b\[[0-9;]+m/;
      if (onTerminal) {
        const tail = command.tailOnTerminal(server, options, { environment });
        await tail.ended;
        // A spinner has to move its cursor, unless the terminal cannot.
        const shown =
          'TERM' in environment ? tail.shown() : tail.shown().replace(/\u001b\[[^m]*?[A-Zhl]/g, '');
        expect(color.test(shown)).toBe(colored);
        if (!colored) expect(shown).not.toContain('\u001b');
        return;
      }
      const { stdout, stderr } = await command.runTail(server, options, { environment });
      expect([color.test(stdout), color.test(stderr)]).toEqual([colored, messages]);
    },
  );

  test('JSON in a pipe is the same whatever is asked for', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const tail = command.tail(server, ['--color', 'always', '-n', '1'], {
      environment: { FORCE_COLOR: '3' },
    });
    const { stdout } = await tail.ended;
    expect(stdout).not.toContain('\u001b');
    expect(JSON.parse(stdout)).toMatchObject({ type: 'device.status_update' });
  });

  test('output is UTF-8 whatever the locale', async ({ serve, command, expect }) => {
    const server = await serve();
    const message = '{"type":"Gerät","data":{"name":"Büro €😀"}}';
    server.onRequest((client) => client.accept(text(message)));
    for (const environment of [{ LC_ALL: 'C' }, { LC_ALL: 'en_US.UTF-8', LANG: 'xx' }]) {
      const { stdout } = await command.runTail(server, ['-n', '1'], { environment });
      expect(stdout).toContain(message.slice(1));
    }
  });
});

describe.concurrent('a terminal', () => {
  test('gets pretty lines cut to its width, a pipe JSON', async ({ serve, command, expect }) => {
    const server = await serve();
    const wide = JSON.stringify({
      type: 'device.error',
      subject: 's',
      data: { message: '漢字'.repeat(200) },
    });
    server.onRequest((client) => client.accept(text(wide)));
    const terminal = command.tailOnTerminal(server, ['-n', '1']);
    await terminal.ended;
    const lines = terminal
      .shown()
      .replace(ours, '')
      .split('\r\n')
      .filter((line) => line.includes('device.error'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('漢字');
    // 100 columns, two for each of these characters.
    expect(lines[0]!.length).toBeLessThan(85);
    const piped = await command.runTail(server, ['-n', '1']);
    expect(piped.stdout).toContain('漢字'.repeat(200));
  });

  test('of one column, and none; wide and combining characters, a line of 10 MB', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const frames = [
      `{"type":"device.error","data":{"a":"${'e\u0301'.repeat(1000)}"}}`,
      `{"type":"device.error","data":{"a":"${'👩‍👩‍👧‍👦'.repeat(1000)}"}}`,
      `{"type":"device.error","data":{"a":"${'x'.repeat(10_000_000)}"}}`,
      event(1),
    ];
    server.onRequest((client) => client.accept(...frames.map(text)));
    for (const columns of [1, 2]) {
      const terminal = command.tailOnTerminal(server, ['-n', '4'], { environment: { COLUMNS: '1' } });
      terminal.pty.resize(columns, 5);
      expect(await terminal.ended).toMatchObject({ code: 0 });
      expect(terminal.shown()).toContain('4 events');
    }
  });

  test('that is stopped and goes on shows everything, the loss and the gap', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const terminal = command.tailOnTerminal(server, ['--utc']);
    const client = await server.request();
    client.accept(text(event(0)));
    await terminal.shows(/number=.*0/);
    terminal.pty.write('\x13');
    for (let i = 1; i <= 50; i++) client.text(event(i));
    client.close(1012);
    // The process waits for its terminal, so nobody answers the close.
    const again = server.request();
    terminal.pty.write('\x11');
    (await again).accept(text(event(51)));
    await terminal.shows(/number=\S*51\b/);
    const numbers = [
      ...terminal
        .shown()
        .replace(ours, '')
        .matchAll(/number=(\d+)/g),
    ].map(([, one]) => Number(one));
    expect(numbers).toEqual(Array.from({ length: 52 }, (_, i) => i));
    expect(terminal.shown()).toMatch(/lost: 1012 service restart/);
    expect(terminal.shown()).toMatch(/back after .*a gap/);
    terminal.pty.write('\x03');
    expect(await terminal.ended).toMatchObject({ signal: 2 });
  });

  test('never hides the cursor, so that it is there however it ends', async ({ serve, command, expect }) => {
    const server = await serve();
    for (const keys of ['\x03', '\x03\x03']) {
      const terminal = command.tailOnTerminal(server, ['devices', 'rules']);
      const devices = await server.requests.next(({ path }) => path.includes('devices'));
      devices.answersClose = false;
      devices.accept();
      await terminal.shows(/connecting: rules/);
      for (const key of keys) terminal.pty.write(key);
      expect(await terminal.ended).toMatchObject({ signal: 2 });
      expect(terminal.shown()).not.toContain('\u001b[?25l');
    }
  });
});

describe.each([['tail', '-n', '1'], ['top', '-n', '1'], ['wait'], ['record', '-n', '1']])(
  '%s --utc',
  (...[name, ...count]) => {
    test('prints connection changes with times in UTC', async ({ serve, command, expect }) => {
      const server = await serve();
      server.onRequest((client) => client.accept(text(event(0))));
      const args = [name!, 'devices', '--url', server.url, '--utc', ...count];
      const { code, stderr } = await command.sandbox.run(args, { environment: { TZ: 'Asia/Kolkata' } });
      expect(code, stderr).toBe(0);
      const [, at = ''] = /^([-\d]{10} [:\d]{8}) devices {2}connected$/m.exec(stderr) ?? [];
      expect(Math.abs(Date.now() - Date.parse(`${at}Z`))).toBeLessThan(600_000);
    });
  },
);
