/** Finds files and symbols in an encoded google.protobuf.FileDescriptorSet; each file stays encoded as it is. */
import { BinaryReader } from '@bufbuild/protobuf/wire';

export interface DescriptorIndex {
  /** Name of the file that declares a service, method, message, field, enum or value. */
  readonly fileOfSymbol: ReadonlyMap<string, string>;
  /** The encoded file and all that it imports; undefined if there is none of that name. */
  withImports(file: string): Uint8Array[] | undefined;
}

interface File {
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

/** Field numbers of google/protobuf/descriptor.proto. */
const SET_FILE = 1;
const FILE = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6 };
const MESSAGE = { name: 1, field: 2, nested: 3, enum: 4, oneof: 8 };
const ENUM = { name: 1, value: 2 };
const SERVICE = { name: 1, method: 2 };

export function indexDescriptors(set: Uint8Array): DescriptorIndex {
  const files = new Map<string, File>();
  const fileOfSymbol = new Map<string, string>();
  for (const bytes of fieldsOf(set).get(SET_FILE) ?? []) {
    const fields = fieldsOf(bytes);
    const name = textOf(fields, FILE.name);
    files.set(name, { bytes, imports: (fields.get(FILE.dependency) ?? []).map(decodeText) });
    for (const symbol of symbolsOf(fields)) fileOfSymbol.set(symbol, name);
  }
  return { fileOfSymbol, withImports: (file) => collect(files, file) };
}

function collect(files: ReadonlyMap<string, File>, first: string): Uint8Array[] | undefined {
  if (!files.has(first)) return undefined;
  const found = new Map<string, Uint8Array>();
  const queue = [first];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const file = files.get(name);
    if (file === undefined || found.has(name)) continue;
    found.set(name, file.bytes);
    queue.push(...file.imports);
  }
  return [...found.values()];
}

type Fields = ReadonlyMap<number, readonly Uint8Array[]>;

function* symbolsOf(file: Fields): Generator<string> {
  const scope = textOf(file, FILE.package);
  for (const message of file.get(FILE.message) ?? [])
    yield* messageSymbols(scope, fieldsOf(message));
  for (const one of file.get(FILE.enum) ?? []) yield* namedSymbols(scope, fieldsOf(one), ENUM);
  for (const service of file.get(FILE.service) ?? []) {
    const fields = fieldsOf(service);
    const name = `${scope}.${textOf(fields, SERVICE.name)}`;
    yield name;
    for (const method of fields.get(SERVICE.method) ?? [])
      yield `${name}.${textOf(fieldsOf(method), 1)}`;
  }
}

function* messageSymbols(scope: string, message: Fields): Generator<string> {
  const name = `${scope}.${textOf(message, MESSAGE.name)}`;
  yield name;
  for (const part of [MESSAGE.field, MESSAGE.oneof]) {
    for (const field of message.get(part) ?? []) yield `${name}.${textOf(fieldsOf(field), 1)}`;
  }
  for (const nested of message.get(MESSAGE.nested) ?? [])
    yield* messageSymbols(name, fieldsOf(nested));
  for (const one of message.get(MESSAGE.enum) ?? []) yield* namedSymbols(name, fieldsOf(one), ENUM);
}

/** An enum and its values; values stand beside their enum, not in it. */
function* namedSymbols(scope: string, fields: Fields, numbers: typeof ENUM): Generator<string> {
  yield `${scope}.${textOf(fields, numbers.name)}`;
  for (const value of fields.get(numbers.value) ?? [])
    yield `${scope}.${textOf(fieldsOf(value), 1)}`;
}

/** The length-delimited fields of a message by number. */
function fieldsOf(message: Uint8Array): Fields {
  const fields = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== 2) {
      reader.skip(type, number);
      continue;
    }
    const all = fields.get(number) ?? [];
    all.push(reader.bytes());
    fields.set(number, all);
  }
  return fields;
}

function textOf(fields: Fields, number: number): string {
  const bytes = fields.get(number)?.[0];
  return bytes === undefined ? '' : decodeText(bytes);
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
