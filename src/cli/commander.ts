import * as commander from 'commander';
import { OpmasError } from '../index.js';
import { adviceForCommand, adviceForOption } from './habits.js';

export { CommanderError, Option } from 'commander';

/**
 * A command that takes no option twice, unless its values are collected: the first value would be lost without a word.
 * All that is wrong with the words on the command line becomes an error of ours.
 */
export class Command extends commander.Command {
  declare readonly commands: readonly Command[];

  override createCommand(name?: string): Command {
    return new Command(name);
  }

  /**
   * Adds an option whose value is read with the command line. The parser gets the long name of the option, for its
   * error, and also reads the default value, which the help shows as written.
   */
  value(
    flags: string,
    description: string,
    parse: (text: string, name: string) => unknown,
    byDefault?: string,
  ): this {
    const option = new commander.Option(flags, description);
    const read = (text: string) => parse(text, option.long ?? flags);
    if (byDefault !== undefined) option.default(read(byDefault), JSON.stringify(byDefault));
    return this.addOption(option.argParser(read));
  }

  /** The words after `--`, for a command that starts another one; `undefined` when there is no `--`. */
  get commandWords(): readonly string[] | undefined {
    // commander has taken `--` away, but the first command keeps what it was given.
    const { rawArgs } = (this.parent ?? this) as unknown as { rawArgs: readonly string[] };
    const dashes = rawArgs.indexOf('--');
    return dashes < 0 ? undefined : rawArgs.slice(dashes + 1);
  }

  /** Adds an option that takes one of several words; the first one is the default. */
  choice(flags: string, description: string, words: readonly string[]): this {
    return this.addOption(new commander.Option(flags, description).choices(words).default(words[0]));
  }

  /** Refuses an option in the place of a value, which an empty variable leaves behind: `-o $FILE --append`. */
  override parseOptions(words: string[]): commander.ParseOptionsResult {
    const named = (word = '') => this.options.find(({ short, long }) => word === short || word === long);
    // What comes after `--` belongs to another command.
    const own = words.slice(0, words.indexOf('--') + 1 || words.length);
    const isOption = (word?: string) => word?.startsWith('--') || named(word) !== undefined;
    const lacking = own
      .map((word) => named(word))
      .find((option, i) => option?.required && isOption(own[i + 1]));
    if (lacking !== undefined) this.error(`option '${lacking.flags}' argument missing`);
    return super.parseOptions(words);
  }

  override setOptionValueWithSource(key: string, value: unknown, source: commander.OptionValueSource): this {
    const earlier = this.getOptionValueSource(key) === 'cli' ? this.getOptionValue(key) : undefined;
    const isLost = source === 'cli' && earlier !== undefined && !Array.isArray(value);
    // The same flag twice says the same.
    if (isLost && !(typeof value === 'boolean' && value === earlier)) {
      const names = this.options.filter((option) => option.attributeName() === key).map(({ long }) => long);
      this.error(`${names.join(' and ')} can be given only once`);
    }
    return super.setOptionValueWithSource(key, value, source);
  }

  /** @throws {OpmasError} `USAGE`, with the advice of the library or a better one. */
  override error(complaint: string): never {
    const [, text = complaint, suggestion] =
      /^error: (.*?)(?:\n\((Did you mean [^\n]*)\))?$/s.exec(complaint) ?? [];
    // The value of an unknown option may be a secret: `--tokn=…`.
    const message = text.replace(/(unknown option '-[^=]*)=.*'/s, "$1'");
    const isEarly = this.parent === null && message.startsWith('unknown option');
    const help = `\`${this.#path} --help\` shows the options and examples.`;
    const order = 'Options of a command stand after its name: opmas-ws tail -n 5.';
    const hint = this.#adviceFor(message) ?? suggestion ?? (isEarly ? order : help);
    throw new OpmasError('USAGE', message, { hint });
  }

  #adviceFor(message: string): string | undefined {
    const [, kind, word = ''] = /^(unknown option|unknown command) '(.*)'$/s.exec(message) ?? [];
    const has = (long: string) => this.options.some((option) => option.long === long);
    if (kind === 'unknown option') return adviceForOption(word, has);
    const names = this.commands.map((command) => command.name());
    if (kind === 'unknown command') return adviceForCommand(word, names);
    if (message.startsWith("too many arguments for 'add'")) {
      return 'The server of a context stands after --url: opmas-ws context add NAME --url URL.';
    }
    // `tail -f`, as with tail.
    const isFollow = message.startsWith("option '-f, --format <format>' argument");
    return isFollow
      ? 'New events are always followed, and recordings with --follow; -f is short for --format: auto, pretty or json.'
      : undefined;
  }

  get #path(): string {
    const names = [this.name()];
    for (let { parent } = this as commander.Command; parent !== null; { parent } = parent)
      names.unshift(parent.name());
    return names.join(' ');
  }
}
