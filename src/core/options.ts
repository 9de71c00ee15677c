/** Checks of options that programs pass: a misspelt one would be ignored without a word. */
import { OpmasError } from './errors.js';
import { editDistance } from './text.js';

/** Every name of an option object. A name that is missing here fails to compile. */
export type OptionNames<Options> = { readonly [Name in keyof Required<Options>]: true };

/** The largest number of wrong letters in a name that is still taken for a known one. */
const MOST_TYPING_ERRORS = 3;

/** Refuses options that do not exist. @param owner Begins the message: `subscribe`. @throws {OpmasError} `USAGE` */
export function refuseUnknownOptions(
  owner: string,
  options: object | undefined,
  known: Readonly<Record<string, true>>,
): void {
  const names = Object.keys(known);
  for (const name of Object.keys(options ?? {})) {
    if (Object.hasOwn(known, name)) continue;
    const nearest = nearestOf(name, names);
    throw new OpmasError('USAGE', `${owner} has no option ${JSON.stringify(name)}`, {
      hint: nearest === undefined ? `Options are ${names.join(', ')}.` : `Did you mean ${nearest}?`,
    });
  }
}

function nearestOf(name: string, names: readonly string[]): string | undefined {
  const distance = (other: string) => editDistance(name.toLowerCase(), other.toLowerCase());
  const nearest = [...names].sort((one, other) => distance(one) - distance(other))[0];
  return nearest !== undefined && distance(nearest) <= Math.min(MOST_TYPING_ERRORS, name.length - 1)
    ? nearest
    : undefined;
}

/** The options that are given: one that is `undefined` leaves its default as it is. */
export function givenOf<Options extends object>(
  options: Options | undefined,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Name in keyof Options]?: Exclude<Options[Name], undefined> };
}
