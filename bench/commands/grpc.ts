/** gRPC: single reads, batches and a stream of batches, against a grpc-js server that does nothing. */
import { type Caller, openCaller } from '../grpc/client.ts';
import { type Driven, drive } from '../grpc/drive.ts';
import { limits } from '../limits.ts';
import { number, several } from '../options.ts';
import { cpuSeconds } from '../process.ts';
import { type GrpcTarget, startEmptyGrpc } from '../servers/empty_grpc.ts';
import { startRdb } from '../servers/rdb.ts';
import { ratios, spread } from '../statistics.ts';
import { digits, milliseconds, perSecond, ratio, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const forms = ['unary', 'batch', 'stream'] as const;
type Form = (typeof forms)[number];

const options = {
  forms: several('what to measure', forms, 'unary,batch,stream'),
  batch: number('keys of a batch', { min: 1, max: 4096, preset: 256 }),
  concurrency: number('calls in flight', { min: 1, max: 1000, preset: 64 }),
  keys: number('keys stored before, and drawn from', {
    min: 1,
    max: limits.keysMax,
    preset: 100_000,
  }),
  rounds: number('rounds of each, in turn', { min: 1, max: limits.roundsMax, preset: 5 }),
  seconds: number('length of a round', {
    min: 0.05,
    max: limits.secondsMax,
    preset: 3,
    fraction: true,
  }),
  output: outputOption,
};

/** Batches in flight: more of them only make the queues longer. */
const batchesInFlight = 8;

interface Round extends Driven {
  readonly keysPerSecond: number;
  /** CPU time of the server's process for each call. */
  readonly cpuUs: number;
}

interface Row {
  readonly form: Form;
  readonly title: string;
  readonly rounds: Round[];
}

export const grpc = command({
  summary: 'unary calls, batches and streams, against an empty grpc-js handler',
  options,
  async run(settings, context): Promise<Report> {
    await using stack = new AsyncDisposableStack();
    const empty = stack.use(await startEmptyGrpc());
    const rdb = stack.use(await startRdb());
    const targets = [
      { target: empty, caller: stack.use(openCaller(empty.grpcPort, 'anything')) },
      { target: rdb, caller: stack.use(openCaller(rdb.grpcPort, 'stored')) },
    ];
    await targets[1]?.caller.store(settings.keys);

    const rows: Row[] = settings.forms.flatMap((form) =>
      targets.map(({ target: { title } }) => ({ form, title, rounds: [] })),
    );
    for (const form of settings.forms) {
      for (let round = 0; round < settings.rounds; round++) {
        for (const { target, caller } of targets) {
          const measured = await measure(form, target, caller, settings);
          rows
            .find((row) => row.form === form && row.title === target.title)
            ?.rounds.push(measured);
          context.progress(`${form} ${target.title}: ${perSecond(measured.keysPerSecond)} keys/s`);
        }
      }
    }
    return { text: describe(rows, settings), data: { settings, rows } };
  },
});

async function measure(
  form: Form,
  target: GrpcTarget,
  caller: Caller,
  settings: {
    readonly batch: number;
    readonly keys: number;
    readonly seconds: number;
    readonly concurrency: number;
  },
): Promise<Round> {
  const keysOfCall = form === 'unary' ? 1 : settings.batch;
  const pick = (): number => Math.floor(Math.random() * settings.keys);
  const picks = (): number[] => Array.from({ length: keysOfCall }, pick);
  const cpu: number[] = [];
  const driven = await drive({
    concurrency: form === 'unary' ? settings.concurrency : batchesInFlight,
    warmupSeconds: Math.min(1, settings.seconds),
    seconds: settings.seconds,
    call: () => (form === 'unary' ? caller.get(pick()) : caller[form](picks())),
    onEdge: async () => {
      const { user, system } = await cpuSeconds(target.pid);
      cpu.push(user + system);
    },
  });
  const spent = (cpu[1] ?? 0) - (cpu[0] ?? 0);
  return {
    ...driven,
    keysPerSecond: driven.callsPerSecond * keysOfCall,
    cpuUs: (spent / driven.calls) * 1e6,
  };
}

function describe(rows: readonly Row[], settings: { readonly batch: number }): string {
  const head = ['form', 'server', 'calls/s', 'keys/s', 'ratio (min–max)', 'CPU µs a call'];
  const cells = rows.map(({ form, title, rounds }) => {
    const base = rows.find((row) => row.form === form);
    const of = (figure: keyof Round): number => spread(rounds.map((round) => round[figure])).median;
    const calls = (row: Row): number[] => row.rounds.map(({ callsPerSecond }) => callsPerSecond);
    return [
      form === 'unary' ? form : `${form}, ${settings.batch} keys`,
      title,
      perSecond(of('callsPerSecond')),
      perSecond(of('keysPerSecond')),
      base === undefined || base.title === title
        ? ''
        : ratio(
            ratios(
              rounds.map((round) => round.callsPerSecond),
              calls(base),
            ),
          ),
      digits(of('cpuUs')),
      milliseconds(of('p50Ns')),
      milliseconds(of('p99Ns')),
    ];
  });
  return `${table([...head, 'p50 ms', 'p99 ms'], cells)}

The client is grpc-js too, on the same cores, and uses about as much of them as the server: a server on
cores of its own does more. Every answer is checked. "CPU" is that of the server's process.`;
}
