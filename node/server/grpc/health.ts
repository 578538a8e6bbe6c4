/** The service grpc.health.v1.Health: serving from the start until the node drains. */
import { Metadata, type ServerWritableStream, status } from '@grpc/grpc-js';
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@r-db/proto/generated/grpc/health/v1/health.ts';
import { writeMessage } from './calls.ts';
import { serviceError } from './status.ts';

export class Health {
  readonly service: HealthServer;
  readonly #names: ReadonlySet<string>;
  readonly #listeners = new Set<() => void>();
  readonly #closing: AbortSignal;
  #serving = true;

  /** `closing` ends watches; before it aborts they hear NOT_SERVING. `services` have the same state as the server as a whole (the empty name). */
  constructor(services: readonly string[], closing: AbortSignal) {
    this.#closing = closing;
    this.#names = new Set(['', ...services]);
    this.service = {
      check: ({ request }, callback) => {
        if (this.#names.has(request.service)) return callback(null, { status: this.#status() });
        callback(
          serviceError({
            code: status.NOT_FOUND,
            details: `there is no service "${request.service}"; there are ${services.join(', ')}`,
            metadata: new Metadata(),
          }),
        );
      },
      list: (_call, callback) => {
        const statuses = Object.fromEntries(
          [...this.#names].map((name) => [name, { status: this.#status() }]),
        );
        callback(null, { statuses });
      },
      watch: (call) => void this.#watch(call),
    };
  }

  setServing(serving: boolean): void {
    this.#serving = serving;
    for (const listener of [...this.#listeners]) listener();
  }

  #status(): ServingStatus {
    return this.#serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  async #watch(call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): Promise<void> {
    const known = this.#names.has(call.request.service);
    let told: ServingStatus | undefined;
    while (!call.cancelled) {
      const now = known ? this.#status() : ServingStatus.SERVICE_UNKNOWN;
      if (now === told) {
        if (this.#closing.aborted) {
          call.end();
          return;
        }
        await this.#change(call);
        continue;
      }
      told = now;
      if (!(await writeMessage(call, { status: now }))) return;
    }
  }

  async #change(
    call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>,
  ): Promise<void> {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        this.#listeners.delete(settle);
        this.#closing.removeEventListener('abort', settle);
        call.off('cancelled', settle);
        resolve();
      };
      this.#listeners.add(settle);
      this.#closing.addEventListener('abort', settle);
      call.once('cancelled', settle);
    });
  }
}
