/**
 * Settings from a mounted ConfigMap: one file a setting, named like it. The kubelet replaces all
 * files at once by moving a symbolic link (`..data`); names with a leading dot are its own.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from './errors.ts';
import { limits } from './limits.ts';
import { nearest } from './nearest.ts';
import { readSettings, type Sources } from './read.ts';
import { keyByName, type SettingKey, type Settings, settingKeys, settings } from './schema.ts';

/** Files of the directory by name, trailing white space removed; empty while there is none. */
export function readDirectory(directory: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const name of listNames(directory).slice(0, limits.configurationFilesMax)) {
    const path = join(directory, name);
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isFile() && status.size <= limits.configurationFileBytesMax) {
      files.set(name, readFileSync(path, 'utf8').trim());
    }
  }
  return files;
}

export interface Reloaded {
  readonly settings: Settings;
  readonly changed: readonly SettingKey[];
  /** For the log: what was not taken, and why. */
  readonly rejected: readonly string[];
}

/** What the files make of the settings now; never throws for what they hold. */
export function reload(
  current: Settings,
  sources: Sources,
  files: ReadonlyMap<string, string>,
): Reloaded {
  const rejected: string[] = [];
  const accepted = new Map<string, string>();
  for (const [name, text] of files) {
    const problem = problemOf(name, text, current);
    if (problem !== undefined) {
      rejected.push(problem);
    } else {
      accepted.set(name, text);
    }
  }
  const next = readSettings({ ...sources, files: accepted });
  const merged: Partial<Record<SettingKey, unknown>> = { ...current };
  for (const key of settingKeys) {
    // A file that is invalid now leaves the value that was valid before.
    if (
      settings[key].reloadable &&
      !(files.has(settings[key].name) && !accepted.has(settings[key].name))
    ) {
      merged[key] = next[key];
    }
  }
  const changed = settingKeys.filter((key) => merged[key] !== current[key]);
  return { settings: merged as Settings, changed, rejected };
}

function problemOf(name: string, text: string, current: Settings): string | undefined {
  const key = keyByName.get(name);
  if (key === undefined) {
    const suggestion = nearest(name, [...keyByName.keys()]);
    return `${name} is not a setting${suggestion === undefined ? '' : `: did you mean ${suggestion}?`}`;
  }
  const parsed = settings[key].parse(text);
  if ('expected' in parsed) {
    const shown = JSON.stringify(text.slice(0, 100));
    return `${name} is ${shown}, expected ${parsed.expected}`;
  }
  if (!settings[key].reloadable && parsed.value !== current[key]) {
    return `${name} can't change while the node runs: replace the pod`;
  }
  return undefined;
}

/** Calls `onChange` after each change of the directory until `close`. */
export function watchDirectory(directory: string, onChange: () => void): { close(): void } {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      onChange();
    }, limits.reloadDebounceMilliseconds).unref();
  };
  try {
    watcher = watch(directory, { persistent: false }, soon);
    watcher.on('error', () => watcher?.close());
  } catch {
    // No file events here: polling alone.
  }
  const poll = setInterval(onChange, limits.reloadPollMilliseconds).unref();
  return {
    close: () => {
      watcher?.close();
      clearInterval(poll);
      clearTimeout(timer);
    },
  };
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      return [];
    }
    throw new ConfigurationError(`RDB_CONFIG_DIRECTORY ${directory} can't be read`, { cause });
  }
}
