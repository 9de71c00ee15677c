import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const FOLDER = 'opmas-ws';

/**
 * The file of the configuration: `$XDG_CONFIG_HOME/opmas-ws/config.json`, else `~/.config/…`, on macOS too, where
 * people look for the files of command line tools there; `%APPDATA%\opmas-ws\config.json` on Windows.
 */
export function configPath(environment: Environment = process.env, platform = process.platform): string {
  const base =
    platform === 'win32'
      ? (absolute(environment.APPDATA) ?? join(homedir(), 'AppData', 'Roaming'))
      : (absolute(environment.XDG_CONFIG_HOME) ?? join(homedir(), '.config'));
  return join(base, FOLDER, 'config.json');
}

/**
 * The folder of what must not be in a configuration that people copy around: credentials, when there is no keychain.
 * `$XDG_DATA_HOME/opmas-ws`, else `~/.local/share/…`; `%LOCALAPPDATA%\opmas-ws` on Windows.
 */
export function dataFolder(environment: Environment = process.env, platform = process.platform): string {
  const base =
    platform === 'win32'
      ? (absolute(environment.LOCALAPPDATA) ?? join(homedir(), 'AppData', 'Local'))
      : (absolute(environment.XDG_DATA_HOME) ?? join(homedir(), '.local', 'share'));
  return join(base, FOLDER);
}

/** The XDG specification says that a relative path is to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
