import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonReport } from '../../src/cli/commands/inspect/inspect.js';
import { jsonText, prometheusText } from '../../src/cli/commands/record/status-file.js';
import { rowJson } from '../../src/cli/commands/top/table-text.js';
import { FrameReader } from '../../src/core/json/frame.js';
import { DeviceTable } from '../../src/core/statistics/device-table.js';
import { inspectRecording } from '../../src/index.js';
import { codeIn, PAGES, project, tablesOf, textOf } from '../support/documents.js';
import { allCommands } from '../support/examples.js';
import { numberedLines, RecordingFolder } from '../support/recordings.js';

const commands = await allCommands();
const guide = PAGES.filter((page) => page.startsWith('docs/')).flatMap((page) => tablesOf(textOf(page)));
const readme = tablesOf(textOf('README.md'));

/** An option as a table of the guide shows it. */
interface DocumentedOption {
  commands: readonly string[];
  short: string | undefined;
  long: string;
  /** Text of the default's cell. */
  byDefault: string;
}

const documentedOptions = guide
  .filter(({ header }) => header[0] === 'option')
  .flatMap(({ caption, header, rows }): DocumentedOption[] => {
    const commandsAt = header.indexOf('commands');
    let commands: readonly string[] = commandsAt < 0 ? commandsIn(caption) : [];
    return rows.map((row) => {
      if (commandsAt >= 0) commands = commandsOf(row[commandsAt]!, commands);
      const parts = codeIn(row[0]!).map((code) => code.split(' ')[0]!);
      return {
        commands,
        short: parts.find((part) => !part.startsWith('--')),
        long: parts.find((part) => part.startsWith('--'))!,
        byDefault: row[header.indexOf('default')]!,
      };
    });
  });

/** Reads the commands of a cell, which may refer to those of the row above. */
function commandsOf(cell: string, above: readonly string[]): readonly string[] {
  const named = codeIn(cell);
  if (cell === 'as above') return above;
  if (cell.startsWith('the same and ')) return [...above, ...named];
  if (cell.startsWith('the same without ')) return above.filter((name) => !named.includes(name));
  return named;
}

/** Reads the commands from a caption such as "Options of `tail` and `record`:". */
function commandsIn(caption: string): string[] {
  if (caption === 'Options of every command:') return ['every command'];
  const [, list = ''] = /^Options of (.+?)(?:, besides .*)?:$/.exec(caption) ?? [];
  return codeIn(list);
}

function documentedOptionsOf(name: string): DocumentedOption[] {
  return documentedOptions.filter(({ commands }) => commands.includes(name));
}

function optionsOf(name: string) {
  const { options } = name === 'every command' ? commands.get('tail')!.parent! : commands.get(name)!;
  return options.filter((option) => !option.hidden && option.long !== '--help');
}

const runnable = [...commands.keys()].filter((name) => !/\bhelp$/.test(name));

describe('option tables of the guide', () => {
  it('each name the commands that they belong to', () => {
    for (const { commands, long } of documentedOptions) {
      expect(commands, long).not.toEqual([]);
      for (const name of commands) expect(['every command', ...runnable]).toContain(name);
    }
  });

  it.each(['every command', ...runnable])('have the options of %s, no more and no fewer', (name) => {
    const documented = documentedOptionsOf(name).map(({ short, long }) => [short, long]);
    const options = optionsOf(name).map(({ short, long }) => [short, long]);
    expect(documented.sort()).toEqual(options.sort());
  });

  it.each(['every command', ...runnable])('have the defaults of %s', (name) => {
    for (const option of optionsOf(name)) {
      const { byDefault } = documentedOptionsOf(name).find(({ long }) => long === option.long)!;
      const documented = codeIn(byDefault);
      const { defaultValueDescription: shown } = option;
      // Of a default that was read with its option, the help shows the text.
      const standard = shown === undefined ? option.defaultValue : JSON.parse(shown);
      if (typeof standard === 'string') {
        expect(documented, `default of ${option.long}`).toEqual([standard]);
      } else {
        // The program explains such a default in its help, or takes it from elsewhere.
        const known = [option.description, 'ws://localhost:8000'].join('\n');
        for (const value of documented) expect(known, `default of ${option.long}`).toContain(value);
      }
    }
  });
});

describe('tables of the README', () => {
  it('have every command', () => {
    const rows = readme.find(({ header }) => header[0] === 'command')!.rows.map(([cell = '']) => cell);
    for (const name of runnable) {
      const [first = '', second = ''] = name.split(' ');
      expect(
        rows.some((row) => row.includes(`\`${first}`) && row.includes(second)),
        name,
      ).toBe(true);
    }
  });

  it('have no command that does not exist', () => {
    const rows = readme.find(({ header }) => header[0] === 'command')!.rows;
    for (const [cell = ''] of rows) {
      const [first = '', ...more] = codeIn(cell);
      const [command = '', subcommand] = first.split(' ');
      expect([...commands.keys()]).toContain(command);
      if (subcommand === undefined || /[^a-z]/.test(subcommand)) continue;
      for (const name of [subcommand, ...more]) expect([...commands.keys()]).toContain(`${command} ${name}`);
    }
  });

  it('have the exit codes of the program', () => {
    const [, declared = ''] = /EXIT_CODES[^=]*= \{([^}]*)\}/.exec(textOf('src/cli/exit.ts')) ?? [];
    const codes = [...declared.matchAll(/\b[A-Z_]+: (\d+)/g)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThanOrEqual(5);
    const rows = readme.find(({ header }) => header[0] === 'code')!.rows.map(([cell]) => cell);
    expect(rows).toEqual(['0', '1', ...codes, '128+n']);
  });
});

describe('other tables of the guide', () => {
  const cellsOf = (header: string) =>
    guide.find((table) => table.header[0] === header)!.rows.flatMap(([cell = '']) => codeIn(cell));

  it('have the environment variables that the program reads', () => {
    const files = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((name) => name.endsWith('.ts')).map((name) => textOf(`src/${name}`));
    const names = sources.flatMap((text) => [...text.matchAll(/\bOPMAS_[A-Z_]+\b/g)].map(([name]) => name));
    const documented = cellsOf('variable').filter((name) => name.startsWith('OPMAS_'));
    expect(documented.sort()).toEqual([...new Set(names)].sort());
  });

  it('have the members of the rows of top', async () => {
    const table = new DeviceTable();
    const frame = new FrameReader();
    frame.read(Buffer.from('{"type":"device.error"}'));
    table.add(frame, 'devices', 0);
    expect(cellsOf('member of each row')).toEqual(Object.keys(rowJson(table.rows()[0]!)));
  });

  it('have the members and metrics of a status', () => {
    const facts = {
      ...{ now: 0, startedAt: 0, exitCode: 0, lastError: { at: '1970-01-01T00:00:00Z', message: '' } },
      publishing: {
        published: 0,
        unpublished: 0,
        leftOut: 0,
        deleted: 0,
        isConnected: true,
        trouble: undefined,
      },
      writer: { path: '', lines: 0, bytes: 0, files: 0, size: 0 },
      states: new Map([['devices', { name: 'open' as const, sinceMs: 0 }]]),
      stream: {
        ...{ events: {}, gaps: { count: 0, totalMs: 0 }, invalid: 0, dropped: 0 },
        lastEventAt: { devices: '1970-01-01T00:00:00Z' },
      },
    };
    const { endpoints, ...members } = JSON.parse(jsonText(facts));
    const tables = guide.filter(({ header }) => /^member of (a status|each endpoint)$/.test(header[0]!));
    const cells = (column: number) => tables.map(({ rows }) => rows.flatMap((row) => codeIn(row[column]!)));
    const [ofAll, ofEach] = cells(0);
    expect(ofAll).toEqual([...Object.keys(members), 'endpoints']);
    expect(ofEach).toEqual(Object.keys(endpoints.devices));
    const metrics = [...prometheusText(facts).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(cells(1).flat().sort()).toEqual(metrics.sort());
  });

  it('have the members of the report of inspect', async () => {
    using folder = new RecordingFolder();
    const report = jsonReport(await inspectRecording(folder.write(numberedLines(0, 3, 10))));
    // This member is there only when there are very many names.
    expect(cellsOf('member').sort()).toEqual([...Object.keys(report), 'approximate'].sort());
  });

  it('have every kind of fault that the help names', () => {
    const { description } = optionsOf('mock').find(({ long }) => long === '--fault')!;
    const [, examples = ''] = /repeatable: (.*)/.exec(description) ?? [];
    expect(cellsOf('fault')).toEqual(examples.split(', '));
  });
});
