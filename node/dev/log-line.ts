/** A node's JSON log lines as plain lines for a terminal. */

/** Levels that a terminal is spared. */
const quiet = new Set(['trace', 'debug', 'info']);

/** Fields that tell nothing to somebody who looks at a terminal. */
const dull = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'node', 'name']);

/** The line to show, or undefined for one that is not worth it. What is no JSON is always shown. */
export function showLine(
  node: string,
  line: string,
  { verbose }: { readonly verbose: boolean },
): string | undefined {
  const fields = parse(line);
  if (fields === undefined) return line.trim() === '' ? undefined : `${node}: ${line}`;
  const level = String(fields['level']);
  if (!verbose && quiet.has(level)) return undefined;
  const rest = Object.entries(fields)
    .filter(([name]) => !dull.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const message = String(fields['msg'] ?? '');
  return [`${node}: ${level === 'warn' ? 'warning' : level}: ${message}`, ...rest].join(' ');
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'level' in value
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
