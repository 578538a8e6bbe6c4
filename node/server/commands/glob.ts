/** `*` and `?` of a glob; names of commands and parameters hold nothing else worth a pattern. */
export function globToExpression(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  // Runs of stars mean one star: else matching could take exponential time.
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`);
}
