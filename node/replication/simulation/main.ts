/** `npm run simulate -- --seeds N --from S [--profile NAME] [--list-rules] [--break RULE] [--trace]` */

import { parseArgs } from 'node:util';
import { breakableRules, isBreakableRule } from '../core/rules.ts';
import { type ProfileName, profileOf, profiles } from './profiles.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    profile: { type: 'string' },
    break: { type: 'string' },
    'list-rules': { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});

process.exitCode = main();

function main(): number {
  if (values['list-rules']) {
    for (const [rule, text] of Object.entries(breakableRules)) console.log(`${rule}: ${text}`);
    return 0;
  }
  const seeds = Number(values.seeds);
  const from = Number(values.from);
  if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(from) || from < 0) {
    console.error('--seeds must be a whole number of at least 1, --from one of at least 0');
    return 2;
  }
  const broken = values.break;
  if (broken !== undefined && !isBreakableRule(broken)) {
    console.error(`there is no rule "${broken}": --list-rules shows them`);
    return 2;
  }
  if (values.profile !== undefined && !Object.hasOwn(profiles, values.profile)) {
    console.error(`there is no profile "${values.profile}": ${Object.keys(profiles).join(', ')}`);
    return 2;
  }
  const given = values.profile as ProfileName | undefined;
  const profile = given ?? (broken === undefined ? undefined : profileOf[broken]);
  return runSeeds({ seeds, from, broken, profile });
}

function runSeeds(options: {
  seeds: number;
  from: number;
  broken: Parameters<typeof simulate>[0]['broken'];
  profile: ProfileName | undefined;
}): number {
  const { seeds, from, broken, profile } = options;
  const startMs = performance.now();
  const counts = { operations: 0, lost: 0, epochs: 0 };
  for (let seed = from; seed < from + seeds; seed++) {
    const result = simulate({ seed, broken, profile, traced: values.trace });
    counts.operations += result.operations;
    counts.lost += result.lost;
    counts.epochs += result.epochs;
    if (result.violation === undefined) continue;
    // The same seed again, this time with its trace.
    const { trace, violation } = simulate({ seed, broken, profile, traced: true });
    if (values.trace) console.log(trace.join('\n'));
    else console.log(trace.slice(-40).join('\n'));
    console.log(
      `seed ${seed} (${result.profile}), ${seed - from + 1} seeds: ${violation?.message}`,
    );
    const rule = broken === undefined ? '' : ` --break ${broken}`;
    console.log(
      `again: npm run simulate -- --seeds 1 --from ${seed}${rule} --profile ${result.profile} --trace`,
    );
    return 1;
  }
  const perSeedMs = (performance.now() - startMs) / seeds;
  console.log(
    `${seeds} seeds from ${from}: no violation; ${counts.operations} operations, ${counts.epochs} epochs, ` +
      `${counts.lost} sets lost whole, ${perSeedMs.toFixed(1)} ms a seed`,
  );
  return 0;
}
