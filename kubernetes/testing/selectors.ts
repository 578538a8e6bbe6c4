/** Label and field selectors, as the API server reads them. */
import { type FakeObject, jsonOf } from './fake-objects.ts';

export type Matcher = (object: FakeObject) => boolean;

export function matcherOf(labelSelector: string | null, fieldSelector: string | null): Matcher {
  const labels = split(labelSelector).map(labelMatcher);
  const fields = split(fieldSelector).map(fieldMatcher);
  return (object) =>
    labels.every((matches) => matches(object.metadata.labels ?? {})) &&
    fields.every((matches) => matches(object));
}

function labelMatcher(term: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, name = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return operator === 'in'
      ? (labels) => values.includes(labels[name] ?? '\0')
      : (labels) => !values.includes(labels[name] ?? '\0');
  }
  const equality = /^([^=!\s]+)\s*(!=|==|=)\s*(\S*)$/.exec(term);
  if (equality !== null) {
    const [, name = '', operator, value] = equality;
    return operator === '!='
      ? (labels) => labels[name] !== value
      : (labels) => labels[name] === value;
  }
  if (term.startsWith('!')) return (labels) => !Object.hasOwn(labels, term.slice(1));
  return (labels) => Object.hasOwn(labels, term);
}

function fieldMatcher(term: string): Matcher {
  const [, path = '', operator, value = ''] = /^([^=!]+)(!=|==|=)(.*)$/.exec(term) ?? [];
  const read = (object: FakeObject) => {
    let current: unknown = object;
    for (const part of path.split('.')) current = jsonOf(current)[part];
    return current === undefined ? '' : String(current);
  };
  return (object) => (read(object) === value) === (operator !== '!=');
}

/** At commas outside parentheses. */
function split(selector: string | null): string[] {
  const terms = selector?.match(/(?:[^,(]|\([^)]*\))+/g) ?? [];
  return terms.map((term) => term.trim());
}
