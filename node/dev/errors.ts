/** Why a local cluster can't start; the message says what would be right. */
export class LocalClusterError extends Error {
  override readonly name = 'LocalClusterError';
}
