/** A setting that stops the start. The message names the setting and says what would be right. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}
