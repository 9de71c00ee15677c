/** Checks of options that programs pass: they may not check types, and a misspelt option would be ignored without a word. */
import { OpmasError } from './errors.js';
import { nearestOf } from './text.js';

/** The check of an option that is given, and what to say if it fails. A message that begins with `must` follows the name. */
type OptionRule<Value> = true | readonly [isRight: (value: Value) => boolean, message: string];

/** A rule for every option; `true` takes anything. A name that is missing here fails to compile. */
export type OptionRules<Options> = {
  readonly [Name in keyof Required<Options>]: OptionRule<Exclude<Options[Name], undefined>>;
};

/** The largest number of wrong letters in a name that is still taken for a known one. */
const MOST_TYPING_ERRORS = 3;

/** Gives each of the options the same rule. */
export function each<Rule, const Name extends string>(
  rule: Rule,
  ...names: Name[]
): { readonly [One in Name]: Rule } {
  return Object.fromEntries(names.map((name) => [name, rule])) as { readonly [One in Name]: Rule };
}

/**
 * Checks options.
 *
 * @param owner Begins the message about an option that does not exist: `subscribe`.
 * @param required Options that cannot be left out.
 * @throws {OpmasError} `USAGE`
 */
export function checkOptions<Options extends object>(
  owner: string,
  options: Options | undefined,
  rules: OptionRules<Options>,
  required: readonly (keyof Options)[] = [],
): void {
  refuseUnknownOptions(owner, options, rules);
  for (const [name, rule] of Object.entries(rules as Record<string, OptionRule<unknown>>)) {
    const value: unknown = options?.[name as keyof Options];
    if (rule === true || (value === undefined && !required.includes(name as keyof Options))) continue;
    const [isRight, message] = rule;
    if (!isRight(value))
      throw new OpmasError('USAGE', message.startsWith('must') ? `${name} ${message}` : message);
  }
}

function refuseUnknownOptions(owner: string, options: object | undefined, known: object): void {
  const names = Object.keys(known);
  for (const name of Object.keys(options ?? {})) {
    if (Object.hasOwn(known, name)) continue;
    const nearest = nearestOf(name, names, Math.min(MOST_TYPING_ERRORS, name.length - 1));
    throw new OpmasError('USAGE', `${owner} has no option ${JSON.stringify(name)}`, {
      hint: nearest === undefined ? `Options are ${names.join(', ')}.` : `Did you mean ${nearest}?`,
    });
  }
}

/** The options that are given: one that is `undefined` leaves its default as it is. */
export function givenOf<Options extends object>(
  options: Options | undefined,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Name in keyof Options]?: Exclude<Options[Name], undefined> };
}
