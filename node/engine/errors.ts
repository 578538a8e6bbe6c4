/** Errors of the engine's JavaScript side. Those of commands are RESP replies or operation statuses. */
export type EngineErrorCode =
  /** Options of an arena that cannot work; the message says which and what would be right. */
  | 'INVALID_OPTIONS'
  /** `engine.wasm` is not where it should be. */
  | 'MODULE_MISSING'
  /** The host cannot reserve or give the memory. */
  | 'OUT_OF_MEMORY'
  /** A shard is used against its state: dropped while it serves, attached before it is set up. */
  | 'INVALID_STATE'
  /** Content of a batch or a cut does not hold together; nothing of it was applied. */
  | 'MALFORMED';

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}
