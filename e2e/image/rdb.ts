/**
 * The image's entry: `rdb.mjs node` is a database node, `rdb.mjs operator` the operator. Each is a
 * bundle of its own beside this one; it sees the arguments after its name.
 */
const programs = { node: './node.mjs', operator: './operator.mjs' } as const;

const [, , name, ...args] = process.argv;
if (name === undefined || !Object.hasOwn(programs, name)) {
  const names = Object.keys(programs).join(' or ');
  process.stderr.write(`rdb.mjs: say ${names} first, not ${name ?? 'nothing'}\n`);
  process.exit(2);
}
const program = new URL(programs[name as keyof typeof programs], import.meta.url);
process.argv.splice(1, process.argv.length, program.pathname, ...args);
await import(program.href);
