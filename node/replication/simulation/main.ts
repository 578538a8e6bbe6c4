import { parseArgs } from 'node:util';
import { type BreakableRule, breakableRules, isBreakableRule } from '../core/rules.ts';
import { rules } from './broken.ts';
import { costs, costsText } from './costs.ts';
import { type Hunt, hunt } from './hunt.ts';
import { type ProfileName, profiles } from './profiles.ts';
import { simulate } from './simulate.ts';

const usage = `npm run simulate -- [--seeds N] [--from S] [--profile NAME] [--trace]
npm run simulate -- --break RULE   ends with 1 when the simulation noticed that this rule is broken
npm run simulate -- --break all    a table of all rules
npm run simulate -- --list-rules
npm run simulate -- --costs        what 100 nodes with 1,024 shards ask of the API server (a minute)
`;

const options = {
  seeds: { type: 'string', default: '200' },
  from: { type: 'string', default: '1' },
  profile: { type: 'string' },
  break: { type: 'string' },
  'list-rules': { type: 'boolean', default: false },
  costs: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const values = read();

process.exitCode = main();

function read() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

function main(): number {
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values['list-rules']) {
    for (const [rule, text] of Object.entries(breakableRules)) console.log(`${rule}: ${text}`);
    return 0;
  }
  if (values.costs) {
    console.log(costsText(costs({ nodes: 100, shards: 1_024, replicationFactor: 3, seed: 1 })));
    return 0;
  }
  const seeds = Number(values.seeds);
  const from = Number(values.from);
  if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(from) || from < 0) {
    console.error('--seeds must be a whole number of at least 1, --from one of at least 0');
    return 2;
  }
  if (values.profile !== undefined && !Object.hasOwn(profiles, values.profile)) {
    console.error(`there is no profile "${values.profile}": ${Object.keys(profiles).join(', ')}`);
    return 2;
  }
  const profile = values.profile as ProfileName | undefined;
  const broken = values.break;
  if (broken === 'all') return huntAll({ seeds, from });
  if (broken === undefined) return runSeeds({ seeds, from, profile });
  if (isBreakableRule(broken)) return report(hunt({ rule: broken, seeds, from, profile }), from);
  console.error(`there is no rule "${broken}": --list-rules shows them`);
  return 2;
}

function runSeeds(options: {
  readonly seeds: number;
  readonly from: number;
  readonly profile: ProfileName | undefined;
}): number {
  const { seeds, from, profile } = options;
  const start = process.cpuUsage();
  const counts = { operations: 0, lost: 0, epochs: 0 };
  for (let seed = from; seed < from + seeds; seed++) {
    const result = simulate({ seed, profile, traced: values.trace });
    counts.operations += result.operations;
    counts.lost += result.lost;
    counts.epochs += result.epochs;
    if (result.violation === undefined) continue;
    show({ seed, profile: result.profile, seeds: seed - from + 1 });
    return 1;
  }
  const { user, system } = process.cpuUsage(start);
  console.log(
    `${seeds} seeds from ${from}: no violation; ${counts.operations} operations, ${counts.epochs} epochs, ` +
      `${counts.lost} sets lost whole, ${((user + system) / 1_000 / seeds).toFixed(1)} ms of CPU a seed`,
  );
  return 0;
}

function report({ rule, profile, seeds, violation }: Hunt, from: number): number {
  if (violation === undefined) {
    console.log(`${rule} is broken, and ${seeds} seeds (${profile}) show nothing`);
    return 0;
  }
  show({ seed: from + seeds - 1, profile, seeds, broken: rule });
  return 1;
}

/** The same seed again, this time with its trace. */
function show(given: {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly seeds: number;
  readonly broken?: BreakableRule;
}): void {
  const { seed, profile, seeds, broken } = given;
  const { trace, violation } = simulate({ seed, broken, profile, traced: true });
  console.log((values.trace ? trace : trace.slice(-40)).join('\n'));
  console.log(`seed ${seed} (${profile}), ${seeds} seeds: ${violation?.message}`);
  const rule = broken === undefined ? '' : ` --break ${broken}`;
  console.log(
    `again: npm run simulate -- --seeds 1 --from ${seed}${rule} --profile ${profile} --trace`,
  );
}

/** A table of all rules; ends with 1 if one of them was not noticed. */
function huntAll({ seeds, from }: { readonly seeds: number; readonly from: number }): number {
  console.log('| rule | profile | checker | seeds |\n| --- | --- | --- | --- |');
  let missed = 0;
  for (const rule of rules) {
    const { profile, violation, ...found } = hunt({ rule, seeds, from });
    if (violation === undefined) missed++;
    console.log(`| ${rule} | ${profile} | ${violation?.checker ?? '-'} | ${found.seeds} |`);
  }
  console.log(`${rules.length - missed} of ${rules.length} broken rules were noticed`);
  return missed === 0 ? 0 : 1;
}
