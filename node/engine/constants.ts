/**
 * The constants that the compiler of the assembly gets, made from the tables of this folder, so that
 * limits, commands, texts and codes each have one source.
 */
import { commands } from './commands.ts';
import { engineLimits } from './limits.ts';
import { messagePlaces } from './messages.ts';
import { operationKinds, operationStatuses } from './operation-codes.ts';
import { ParkReason, Stop } from './types.ts';

/** Rules that a test build breaks, so that the stress test can show that it would notice. */
export const breakableRules = [
  /** Writers do not wait for the readers of the old side. */
  'SKIP_DRAIN',
  /** The side is swapped before it is changed. */
  'SWAP_FIRST',
  /** Replaced records are freed before the swap. */
  'FREE_EARLY',
  /** Readers announce themselves after they loaded the side. */
  'ANNOUNCE_LATE',
  /** The old side does not get the batch. */
  'SKIP_REPLAY',
] as const;
/** The same, of shards with several copies. */
export const breakableReplicatedRules = [
  /** Readers see what is gathered. */
  'READ_GATHERED',
  /** Writers add to a batch that is out. */
  'JOIN_FROZEN',
  /** A rollback leaves what it found on the hidden side. */
  'SKIP_ROLLBACK',
] as const;
const rules = [...breakableRules, ...breakableReplicatedRules] as const;
export type BreakableRule = (typeof rules)[number];

/** A free word of an arena's first page, where a breakable build looks up which rule it breaks; 0: none. */
const brokenRuleAddress = 4064;

/** From now on the threads of an arena, made with a breakable build, break the rule. */
export function breakRule(memory: WebAssembly.Memory, rule: BreakableRule): void {
  new Uint32Array(memory.buffer, brokenRuleAddress, 1)[0] = rules.indexOf(rule) + 1;
}

/** Source of the assembly for a breakable build: where a rule's constant is used, the word is asked. */
export function breakableSource(text: string): string {
  return text.replaceAll(/\bBREAK_([A-Z_]+)\b(?! ?[,}])/g, (use, name) => {
    const rule = (rules as readonly string[]).indexOf(name);
    return rule < 0 ? use : `(load<u32>(${brokenRuleAddress}) == ${rule + 1})`;
  });
}

/** What a build of the assembly may differ in; the released one has all defaults. */
export interface BuildVariant {
  /** Breaks a rule on order (`breakRule`): one build for all of them, since compiling takes seconds. */
  readonly breakable?: boolean;
  /** Fills freed memory, so that a late reader does not find it unchanged by luck. */
  readonly poisonFreed?: boolean;
  /** Readers lose their processor now and then while they hold a record. */
  readonly pauseReaders?: boolean;
  /** Limits with other values: a shallow directory, no inline values. */
  readonly limits?: Partial<Record<keyof typeof engineLimits, number>>;
}

export function upperSnake(name: string): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase();
}

/** Letters as WebAssembly compares them: the first eight in a little-endian 64-bit number. */
export function letters(word: string): bigint {
  let number = 0n;
  for (let index = Math.min(word.length, 8) - 1; index >= 0; index--) {
    number = (number << 8n) | BigInt(word.charCodeAt(index));
  }
  return number;
}

const optionWords = ['NX', 'XX', 'GT', 'LT', 'EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL', 'GET', 'IFEQ'];

/** Bytes that the name of a command takes in the text area: its length and at most 16 letters. */
export const commandNameBytes = 17;

/** Where the names start, behind the messages. */
export function commandNamesOffset(): number {
  return messagePlaces().reduce((end, place) => Math.max(end, place.offset + place.text.length), 0);
}

/** Source of the module `generated/constants`. */
export function constantsSource(variant: BuildVariant = {}): string {
  const lines = ['// Made by build.ts: do not edit.'];
  const constant = (name: string, type: string, value: number | bigint | boolean): void => {
    lines.push(`export const ${name}: ${type} = ${value};`);
  };
  const limits = { ...engineLimits, ...variant.limits };
  for (const [name, value] of Object.entries(limits)) {
    const type = name === 'waitNanosecondsMax' ? 'i64' : 'u32';
    constant(upperSnake(name), type, value);
  }
  for (const [name, value] of Object.entries(Stop))
    constant(`STOP${upperSnake(name)}`, 'i32', value);
  for (const [name, value] of Object.entries(ParkReason)) {
    constant(`PARK${upperSnake(name)}`, 'u8', value);
  }
  constant('COMMANDS', 'u32', commands.length);
  commands.forEach((command, index) => {
    constant(`CMD_${command.name}`, 'i32', index);
  });
  constant('NAME_GET', 'u64', letters('GET'));
  constant('NAME_SET', 'u64', letters('SET'));
  for (const word of optionWords) constant(`WORD_${word}`, 'u64', letters(word));
  for (const { name, offset, text } of messagePlaces()) {
    constant(`MESSAGE_${name}`, 'u32', offset);
    constant(`MESSAGE_${name}_LENGTH`, 'u32', text.length);
  }
  constant('CMD_NAMES_OFFSET', 'u32', commandNamesOffset());
  operationKinds.forEach((kind, index) => {
    constant(`OP_${kind.toUpperCase()}`, 'u8', index);
  });
  operationStatuses.forEach((status, index) => {
    constant(`STATUS_${status.toUpperCase().replaceAll('-', '_')}`, 'i32', index);
  });
  for (const rule of rules) constant(`BREAK_${rule}`, 'bool', false);
  constant('POISON_FREED', 'bool', variant.poisonFreed === true);
  constant('PAUSE_READERS', 'bool', variant.pauseReaders === true);
  return `${lines.join('\n')}\n`;
}
