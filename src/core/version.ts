/** Version of this package, as in package.json. A program that bundles the library does not have that file. */
export const version = '0.1.0';
