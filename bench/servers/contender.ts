/** A store of one or several processes that is measured as a whole. Disposing of it ends what was started, and nothing else. */
import type { Load } from '../generator/run.ts';

export interface Contender extends AsyncDisposable {
  /** Name, version and shape, for tables and plots. */
  readonly title: string;
  /** How the load generator reaches it. */
  readonly load: Pick<Load, 'port' | 'route' | 'protocol' | 'wait'>;
  /** All its processes: their CPU time counts. */
  readonly pids: readonly number[];
}
