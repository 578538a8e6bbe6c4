import { ConfigurationError } from './errors.ts';
import { nearest } from './nearest.ts';
import { keyByName, type SettingKey, type Settings, settingKeys, settings } from './schema.ts';
import { flagName } from './setting.ts';

/** Where texts of settings come from; the first that has one wins. */
export interface Sources {
  /** Files of the configuration directory: newer than the process, so they win. */
  readonly files?: ReadonlyMap<string, string>;
  readonly flags: ReadonlyMap<string, string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const flags: ReadonlyMap<string, string> = new Map(
  settingKeys.map((key) => [flagName(settings[key].name), settings[key].name]),
);

/**
 * The settings, defaults filled in.
 * Throws ConfigurationError, naming the setting, for an unknown, missing or invalid one.
 */
export function readSettings(sources: Sources): Settings {
  for (const name of Object.keys(sources.environment)) {
    if (name.startsWith('RDB_') && !keyByName.has(name)) {
      throw unknown(name, [...keyByName.keys()], 'an environment variable');
    }
  }
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const key of settingKeys) {
    values[key] = readOne(key, sources);
  }
  return values as Settings;
}

/** `--resp-port 6379`, `--resp-port=6379`; throws ConfigurationError for an unknown flag. */
export function readFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let index = 0; index < argv.length; index++) {
    const [flag = '', ...rest] = (argv[index] ?? '').split('=');
    const name = flags.get(flag);
    if (name === undefined) {
      throw unknown(flag, [...flags.keys(), '--help'], 'a flag');
    }
    if (found.has(name)) {
      throw new ConfigurationError(`${flag} is given twice`);
    }
    const value = rest.length > 0 ? rest.join('=') : argv[++index];
    if (value === undefined) {
      throw new ConfigurationError(`${flag} needs a value: ${settings[keyOf(name)].type}`);
    }
    found.set(name, value);
  }
  return found;
}

function readOne(key: SettingKey, sources: Sources): unknown {
  const setting = settings[key];
  const origin =
    (setting.reloadable ? present(sources.files?.get(setting.name), 'file ') : undefined) ??
    present(sources.flags.get(setting.name), `${flagName(setting.name)} `) ??
    present(sources.environment[setting.name], '');
  if (origin === undefined) {
    if (setting.required) {
      throw new ConfigurationError(
        `${setting.name} is not set: ${setting.meaning} (${setting.type})`,
      );
    }
    return setting.fallback;
  }
  const parsed = setting.parse(origin.text);
  if ('expected' in parsed) {
    const shown = JSON.stringify(origin.text.slice(0, 100));
    throw new ConfigurationError(
      `${origin.prefix}${setting.name} is ${shown}, expected ${parsed.expected}`,
    );
  }
  return parsed.value;
}

/** An empty variable counts as unset, as in a manifest with an optional reference. */
function present(value: string | undefined, prefix: string) {
  return value === undefined || value === '' ? undefined : { text: value, prefix };
}

function keyOf(name: string): SettingKey {
  const key = keyByName.get(name);
  if (key === undefined) {
    throw new Error(`no setting ${name}`);
  }
  return key;
}

function unknown(name: string, known: readonly string[], what: string): ConfigurationError {
  const suggestion = nearest(name, known);
  const hint = suggestion === undefined ? 'see --help' : `did you mean ${suggestion}?`;
  return new ConfigurationError(`${name} is not ${what} of r_db: ${hint}`);
}
